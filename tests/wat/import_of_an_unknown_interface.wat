;; Asks for an interface that the contract does not have.
(component
  (import "weir:cni/everything@0.1.0" (instance)))
