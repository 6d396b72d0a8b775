"""A launch as one kernel for accelerators: the scalar program of one replica, evaluated over tiles of replicas."""
