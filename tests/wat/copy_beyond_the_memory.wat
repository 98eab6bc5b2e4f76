;; Copies beyond its memory.
(func (export "weir:cni/plugin@0.1.0#add")
  (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (memory.copy (i32.const 0) (i32.const 16) (i32.const -1))
  i32.const 1024)
