;; Grows a table as far as it goes.
(table $all 1 funcref)
(func (export "weir:cni/plugin@0.1.0#add")
  (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
  (loop $more
    (br_if $more (i32.ge_s (table.grow $all (ref.null func) (i32.const 1000)) (i32.const 0))))
  i32.const 1024)
