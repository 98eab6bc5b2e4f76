;; Vector instructions, which the engine does not have.
(component
  (core module (func (result v128) (v128.const i32x4 1 2 3 4))))
