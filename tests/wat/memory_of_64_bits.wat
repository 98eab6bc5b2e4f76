;; A memory with addresses of 64 bits, which the engine does not have.
(component
  (core module (memory i64 1)))
