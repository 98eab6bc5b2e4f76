;; Asks for a function of the contract as what it is not.
(component
  (import "weir:cni/clock@0.1.0" (instance (export "now" (func (param "message" string) (result string)))))
  (instance $empty)
  (export "weir:cni/plugin@0.1.0" (instance $empty)))
