;; The text of the result is as long as can be said.
(data (i32.const 2048) "\00\00\00\00\10\04\00\00\ff\ff\ff\ff")
(func (export "weir:cni/plugin@0.1.0#add")
  (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  i32.const 2048)
