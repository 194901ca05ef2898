//! The trained network that comes with the program, its labels and ten pictures.

/// The network, as ONNX.
pub(super) const MODEL: &[u8] = include_bytes!("../../models/resnet20-fashion-mnist.onnx");

/// Its labels.
pub(super) fn labels() -> Vec<String> {
    include_str!("../../models/fashion-mnist-labels.txt").lines().map(str::to_owned).collect()
}

macro_rules! pictures {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_bytes!(concat!("../../models/pictures/", $name)))),*]
    };
}

/// A test picture of each class, in the order of the classes: file name and contents.
pub(super) const PICTURES: [(&str, &[u8]); 10] = pictures![
    "t-shirt.png",
    "trouser.png",
    "pullover.png",
    "dress.png",
    "coat.png",
    "sandal.png",
    "shirt.png",
    "sneaker.png",
    "bag.png",
    "ankle-boot.png",
];
