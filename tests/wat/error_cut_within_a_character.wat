;; The text of the error ends within a character.
(data (i32.const 2048) "\01\00\00\00\96\00\00\00\00\09\00\00\02\00\00\00\00\09\00\00\00\00\00\00")
(data (i32.const 0x900) "\e2\82\ac")
(func (export "weir:cni/plugin@0.1.0#add")
  (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  i32.const 2048)
