;; Drops a handle twice.
(import "weir:cni/namespaces@0.1.0" "[resource-drop]netns" (func $drop (param i32)))
(import "weir:cni/container-namespace@0.1.0" "open" (func $open (param i32)))
(func (export "weir:cni/plugin@0.1.0#add")
  (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  i32.const 0x3000
  call $open
  (call $drop (i32.load (i32.const 0x3004)))
  (call $drop (i32.load (i32.const 0x3004)))
  i32.const 1024)
