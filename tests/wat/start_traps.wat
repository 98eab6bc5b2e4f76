;; Fails before it begins.
(func $start
  unreachable)
(start $start)
