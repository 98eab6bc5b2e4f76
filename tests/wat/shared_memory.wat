;; A memory of threads, which the engine does not have.
(component
  (core module (memory 1 2 shared)))
