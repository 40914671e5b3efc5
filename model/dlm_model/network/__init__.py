"""The network: its shape, its weights from the disk, and how they are held and run on a device."""
