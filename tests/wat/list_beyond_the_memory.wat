;; Passes more routes than the memory holds.
(import "weir:cni/routes@0.1.0" "add" (func $add_routes (param i32 i32 i32 i32 i32)))
(import "weir:cni/container-namespace@0.1.0" "open" (func $open (param i32)))
(func (export "weir:cni/plugin@0.1.0#add")
  (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  i32.const 0x3000
  call $open
  (call $add_routes (i32.load (i32.const 0x3004)) (i32.const 16) (i32.const 5000) (i32.const 0) (i32.const 0x3010))
  i32.const 1024)
