;; Two memories in one module, which the engine does not have.
(component
  (core module (memory 1) (memory 1)))
