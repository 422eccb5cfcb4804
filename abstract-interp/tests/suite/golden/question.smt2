; Model of a test
; Claim random-8, constraint 0
; All values count 2^-16. unsat: the constraint holds for
; every input. sat: x0, x1, ... are an input that breaks it.
(set-option :produce-models true)
(set-logic QF_LIA)
; Features and their box
(declare-const x0 Int) ; queueing
(assert (<= 96765 x0 96769))
(declare-const x1 Int) ; standing_queue
(assert (<= 46400 x1 46400))
(declare-const x2 Int) ; queueing_ewma
(assert (<= 94726 x2 94726))
(declare-const x3 Int) ; loss
(assert (<= 30584 x3 30584))
(declare-const x4 Int) ; slow_loss
(assert (<= 45824 x4 45824))
(declare-const x5 Int) ; ce
(assert (<= 25447 x5 25447))
(declare-const x6 Int) ; acked_ratio
(assert (<= 42953 x6 42953))
(declare-const x7 Int) ; log_window
(assert (<= 56976 x7 56976))
(declare-const x8 Int) ; own_queue
(assert (<= 47308 x8 47315))
(declare-const x9 Int) ; last_step
(assert (<= (- 3342) x9 (- 3342)))
(declare-const x10 Int) ; previous_step
(assert (<= (- 4345) x10 (- 4345)))
(declare-const x11 Int) ; competitor
(assert (<= 42248 x11 42257))
; Facts about the features
(assert (<= (+ 0 (* (- 1) x0) x1) 0))
(assert (<= (+ 0 (* (- 1) x7) x8) (- 2395)))
(assert (<= (+ 0 x7 (* (- 1) x8)) 13608))
(assert (<= (+ 0 x3 (* (- 1) x4)) (- 7)))
; Layer 0
(declare-const z0_0 Int)
(assert (let ((s (+ 27852800 (* (- 2425) x0) (* 1772 x1) (* (- 220) x2) (* 1307 x3) (* (- 1209) x4) (* 1418 x5) (* (- 771) x6) (* 1574 x7) (* 1702 x8) (* 1735 x9) (* (- 1173) x10) (* (- 1347) x11))))
  (and (<= (* 4096 z0_0) s) (<= s (+ (* 4096 z0_0) 4095)))))
(define-fun h0_0 () Int (ite (> z0_0 0) z0_0 0))
(declare-const z0_1 Int)
(assert (let ((s (+ (- 458752) (* 477 x0) (* (- 2155) x1) (* 1907 x2) (* (- 45) x3) (* (- 1412) x4) (* 2824 x5) (* 1377 x6) (* (- 1749) x7) (* (- 1955) x8) (* 2755 x9) (* (- 2154) x10) (* 934 x11))))
  (and (<= (* 4096 z0_1) s) (<= s (+ (* 4096 z0_1) 4095)))))
(define-fun h0_1 () Int (ite (> z0_1 0) z0_1 0))
; Layer 1
(declare-const z1_0 Int)
(assert (let ((s (+ (- 58851328) (* 618 h0_0) (* 6762 h0_1))))
  (and (<= (* 4096 z1_0) s) (<= s (+ (* 4096 z1_0) 4095)))))
(define-fun h1_0 () Int (ite (> z1_0 0) z1_0 0))
(declare-const z1_1 Int)
(assert (let ((s (+ (- 47316992) (* 1060 h0_0) (* (- 6964) h0_1))))
  (and (<= (* 4096 z1_1) s) (<= s (+ (* 4096 z1_1) 4095)))))
(define-fun h1_1 () Int (ite (> z1_1 0) z1_1 0))
; Layer 2
(declare-const z2_0 Int)
(assert (let ((s (+ 45547520 (* 2390 h1_0) (* 1070 h1_1) (* (- 27) x0) (* 1074 x1) (* 1551 x2) (* 1904 x3) (* 2365 x4) (* (- 1062) x5) (* (- 2613) x6) (* 1910 x7) (* (- 2458) x8) (* (- 587) x9) (* (- 1888) x10) (* (- 26) x11))))
  (and (<= (* 4096 z2_0) s) (<= s (+ (* 4096 z2_0) 4095)))))
(declare-const z2_1 Int)
(assert (let ((s (+ 14483456 (* (- 2341) h1_0) (* (- 2671) h1_1) (* (- 1582) x0) (* 65 x1) (* 254 x2) (* (- 1378) x3) (* (- 2095) x4) (* 1993 x5) (* 1319 x6) (* 2276 x7) (* (- 124) x8) (* 1566 x9) (* (- 459) x10) (* 999 x11))))
  (and (<= (* 4096 z2_1) s) (<= s (+ (* 4096 z2_1) 4095)))))
; Heads, clamped to [-1, 1]
; a0 is the rate head
(define-fun a0 () Int (ite (> z2_0 65536) 65536 (ite (< z2_0 (- 65536)) (- 65536) z2_0)))
; a1 is the pacing head
(define-fun a1 () Int (ite (> z2_1 65536) 65536 (ite (< z2_1 (- 65536)) (- 65536) z2_1)))
; The constraint is broken
(assert (> (+ 0 (* (- 1) a0) a1 (* 2 x9)) (- 300)))
(check-sat)
