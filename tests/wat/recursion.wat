;; Calls itself without end.
(func $deeper (param i32) (result i32)
  local.get 0
  call $deeper
  i32.const 1
  i32.add)
(func (export "weir:cni/plugin@0.1.0#add")
  (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  local.get 0
  call $deeper)
