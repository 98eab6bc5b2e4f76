;; Asks for an interface of a contract to come.
(component
  (import "weir:cni/links@0.2.0" (instance)))
