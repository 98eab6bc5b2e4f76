;; Asks for a function that the interface does not have.
(component
  (import "weir:cni/clock@0.1.0" (instance (export "set" (func (param "milliseconds" u64)))))
  (instance $empty)
  (export "weir:cni/plugin@0.1.0" (instance $empty)))
