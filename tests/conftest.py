"""Every test runs with two CPU devices, so that sharding is always on."""

import jaxq

jaxq.use_all_cores(2)
