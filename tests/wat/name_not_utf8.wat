;; Passes a name that is not UTF-8.
(import "weir:cni/links@0.1.0" "find" (func $find (param i32 i32 i32 i32)))
(import "weir:cni/container-namespace@0.1.0" "open" (func $open (param i32)))
(data (i32.const 0x900) "\ff\fe\80\c0")
(func (export "weir:cni/plugin@0.1.0#add")
  (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  i32.const 0x3000
  call $open
  (call $find (i32.load (i32.const 0x3004)) (i32.const 0x900) (i32.const 4) (i32.const 0x3010))
  i32.const 1024)
