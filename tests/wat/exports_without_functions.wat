;; Exports the interface without its functions.
(component
  (instance $empty)
  (export "weir:cni/plugin@0.1.0" (instance $empty)))
