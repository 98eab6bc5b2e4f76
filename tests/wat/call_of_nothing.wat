;; Calls a function that is not in the table.
(table 10 funcref)
(func (export "weir:cni/plugin@0.1.0#add")
  (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (call_indirect (result i32) (i32.const 3)))
