;; Drops a handle that it never had.
(import "weir:cni/namespaces@0.1.0" "[resource-drop]netns" (func $drop (param i32)))
(func (export "weir:cni/plugin@0.1.0#add")
  (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  i32.const 77
  call $drop
  i32.const 1024)
