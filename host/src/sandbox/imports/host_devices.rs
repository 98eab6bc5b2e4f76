//! `host-devices`.

use std::path::Path;

use weir_native::host_device::{self as native, DeviceTree};

use crate::broker::Call;
use crate::sandbox::Guest;
use crate::sandbox::bindings::cni::host_devices::{self, Device};
use crate::sandbox::guest::Answer;

impl host_devices::Host for Guest {
    fn find_pci(&mut self, address: String) -> Answer<Option<Device>> {
        self.call(Call::HostDevicesFindPci { address: &address }, || {
            Ok(DeviceTree::default().pci(&address)?.map(device_out))
        })
    }

    fn find_auxiliary(&mut self, name: String) -> Answer<Option<Device>> {
        self.call(Call::HostDevicesFindAuxiliary { name: &name }, || {
            Ok(DeviceTree::default().auxiliary(&name)?.map(device_out))
        })
    }

    fn find_by_path(&mut self, path: String) -> Answer<Option<Device>> {
        let find = || Ok(DeviceTree::default().by_path(Path::new(&path))?.map(device_out));
        self.call(Call::HostDevicesFindByPath { path: Path::new(&path) }, find)
    }
}

fn device_out(device: native::Device) -> Device {
    Device { driver: device.driver, interfaces: device.interfaces }
}
