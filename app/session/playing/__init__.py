"""What sounds: samples in their order, their format on a device, and the device; loaded with the first sound."""
