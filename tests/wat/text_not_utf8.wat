;; The text of the result is not UTF-8.
(data (i32.const 2048) "\00\00\00\00\00\09\00\00\04\00\00\00")
(data (i32.const 0x900) "\ff\fe\80\c0")
(func (export "weir:cni/plugin@0.1.0#add")
  (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  i32.const 2048)
