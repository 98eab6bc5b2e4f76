;; Uses handles of all numbers, negative ones too.
(import "weir:cni/links@0.1.0" "list" (func $list (param i32 i32)))
(func (export "weir:cni/plugin@0.1.0#add")
  (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (call $list (i32.const -1) (i32.const 0x3000))
  i32.const 1024)
