//! What training minimises: the claims' hinge, the distance to a teacher, the weights'
//! magnitudes, and the task's cost.

pub(crate) mod certified;
pub(crate) mod imitation;
pub(crate) mod sparsity;
pub(crate) mod task;
