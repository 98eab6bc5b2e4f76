;; Calls a function as what it is not.
(table 1 funcref)
(elem (i32.const 0) $other)
(func $other (param i64))
(func (export "weir:cni/plugin@0.1.0#add")
  (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (call_indirect (result i32) (i32.const 0)))
