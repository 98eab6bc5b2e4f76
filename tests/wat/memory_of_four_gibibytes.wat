;; As much memory as there can be, from the start.
(memory (export "memory") 65536)
