//! Certified controllers over the unmodified smoltcp, without std and without a heap.
#![cfg_attr(not(any(test, feature = "certified")), no_std)]
