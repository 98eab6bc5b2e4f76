;; Memories that are only together too large.
;; beside the plugin
(component
  (core module $one (memory 300))
  (core instance (instantiate $one))
  (core instance (instantiate $one))
  (core instance (instantiate $one))
  (core instance (instantiate $one))
)
