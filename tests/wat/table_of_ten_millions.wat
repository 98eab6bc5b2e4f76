;; A table of ten million places, from the start.
(table 10000000 funcref)
