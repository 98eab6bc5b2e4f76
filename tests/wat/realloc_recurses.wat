;; The host waits for room that waits for room.
(func $deeper (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
  local.get 0
  local.get 1
  local.get 2
  local.get 3
  call $deeper
  i32.const 1
  i32.add)
