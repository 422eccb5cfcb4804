//! What training minimises: the claims' hinge, the distance to a teacher, and the task's cost.

pub(crate) mod certified;
pub(crate) mod imitation;
pub(crate) mod task;
