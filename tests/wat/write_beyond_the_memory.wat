;; Writes beyond its memory.
(func (export "weir:cni/plugin@0.1.0#add")
  (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (i64.store offset=0xffffffff (i32.const -1) (i64.const -1))
  i32.const 1024)
