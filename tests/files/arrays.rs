//! Arrays: files as NumPy writes them, and conversions of elements.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use resnetc::import::npy::{encode, parse, read};
use resnetc::import::safetensors::{load_arrays, save_arrays};
use resnetc::{Array, DType, ElementError};
use resnetc_ir::Tensor;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/arrays")
}

/// 0, 1, 2, ..., or for bool whether each of these is odd.
fn counted(dtype: DType) -> Vec<f32> {
    let one = |i: u8| if dtype == DType::Bool { i % 2 } else { i };
    (0..12).map(|i| f32::from(one(i))).collect()
}

#[test]
fn files_of_numpy_are_read() {
    for dtype in DType::ALL.into_iter().filter(|&dtype| dtype != DType::BF16) {
        for order in ["", "big_", "columns_"] {
            let file = folder().join(format!("{order}{dtype}.npy"));
            if order == "big_" && dtype.bytes() == 1 {
                assert!(!file.exists(), "a byte has no order");
                continue;
            }
            let array = read(&file).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!((array.dtype(), array.shape()), (dtype, &[2, 3, 2][..]), "{file:?}");
            assert_eq!(array.values(dtype).unwrap().data(), counted(dtype), "{file:?}");
        }
    }
    for version in [2, 3] {
        let array = read(&folder().join(format!("version_{version}.npy"))).unwrap();
        assert_eq!(array.values(DType::F32).unwrap().data(), counted(DType::I64));
    }
    for (name, shape, data) in
        [("scalar", &[][..], &[7.5][..]), ("list", &[5][..], &[0.0, 1.0, 2.0, 3.0, 4.0][..])]
    {
        let array = read(&folder().join(format!("{name}.npy"))).unwrap();
        assert_eq!((array.shape(), array.values(DType::F32).unwrap().data()), (shape, data));
    }
}

#[test]
fn what_is_written_is_what_numpy_writes() {
    for dtype in DType::ALL.into_iter().filter(|&dtype| dtype != DType::BF16) {
        let file = folder().join(format!("{dtype}.npy"));
        let tensor = Tensor::new([2, 3, 2], counted(dtype)).unwrap();
        assert_eq!(
            encode(&Array::of(&tensor, dtype).unwrap()).unwrap(),
            std::fs::read(&file).unwrap(),
            "{dtype}"
        );
    }
}

#[test]
fn elements_that_are_no_numbers_are_named() {
    for (name, says) in [
        ("complex", "<c8"),
        ("records", "several fields"),
        ("text", "<U1"),
        ("objects", "Python objects"),
    ] {
        let error = read(&folder().join(format!("wrong_{name}.npy"))).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains(".npy"), "{error}");
    }
}

/// The bytes of a file with this header.
fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn headers_are_read_in_every_spelling_and_in_no_other() {
    let right = [
        "{'descr':'<f4','fortran_order':False,'shape':(1,2)}",
        "{ 'shape' : ( 1L , 2L ) , \"descr\" : \"<f4\" , 'fortran_order' : False , }  \n",
        "{'descr': 'f4', 'fortran_order': True, 'shape': (2,), }",
    ];
    for header in right {
        let array = parse(&with_header(header, &[0, 0, 128, 63, 0, 0, 0, 64])).unwrap();
        assert_eq!(array.values(DType::F32).unwrap().data(), [1.0, 2.0], "{header}");
    }
    let wrong = [
        "",
        "{",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} 1",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 2}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,) 'more': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2 1)}",
        "{'descr': '<f4 , 'fortran_order': False, 'shape': (2,)}",
    ];
    for header in wrong {
        assert!(parse(&with_header(header, &[0; 8])).is_err(), "{header}");
    }
}

#[test]
fn only_what_a_type_holds_becomes_one_of_its_elements() {
    let of = |dtype, values: &[f64]| {
        let bytes = match dtype {
            DType::F64 => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            _ => values.iter().flat_map(|x| (*x as i64).to_le_bytes()).collect::<Vec<u8>>(),
        };
        Array::new(dtype, [values.len()], bytes).unwrap()
    };
    let (floats, integers) = (DType::F64, DType::I64);
    // From, to, values that are representable, values that are not.
    let table: [(DType, DType, &[f64], &[f64]); 9] = [
        (floats, DType::F32, &[0.1, -3.4e38, f64::INFINITY, f64::NAN, 1e-300], &[3.5e38, -1e300]),
        (floats, DType::F16, &[0.1, 65504.0, -65519.0, f64::NEG_INFINITY], &[65520.0, -1e6]),
        (floats, DType::BF16, &[0.1, 3.3e38], &[3.4e38]),
        (floats, DType::U8, &[0.0, -0.0, 255.0], &[0.37, 300.0, -5.0, f64::NAN, f64::INFINITY]),
        (floats, DType::I64, &[16777216.0, -16777216.0], &[16777217.0, 0.5, 1e30]),
        (floats, DType::Bool, &[0.0, 1.0], &[2.0, 0.5, -1.0]),
        (integers, DType::F32, &[16777216.0, 16777218.0], &[16777217.0, i64::MAX as f64]),
        (integers, DType::F16, &[2048.0, 2050.0, -65504.0], &[2049.0, 65520.0]),
        (integers, DType::I8, &[-128.0, 127.0], &[128.0, -129.0]),
    ];
    for (from, to, held, refused) in table {
        let values = of(from, held).values(to).unwrap();
        for (&got, &want) in values.data().iter().zip(held) {
            let step = match to {
                DType::F16 => 1.0 / 2048.0,
                DType::BF16 => 1.0 / 256.0,
                _ => f64::from(f32::EPSILON) / 2.0,
            };
            let near = (f64::from(got) - want).abs() <= step * want.abs() + 1e-45;
            assert!(
                near || f64::from(got).to_bits() == want.to_bits() || got.is_nan() && want.is_nan()
            );
        }
        for (i, &wrong) in refused.iter().enumerate() {
            let mut values = vec![1.0; i];
            values.push(wrong);
            let error = of(from, &values).values(to).unwrap_err();
            assert!(error.to_string().contains(to.name()), "{error}");
            let ElementError::Value { position, to: asked, .. } = error else {
                panic!("{wrong} to {to}: {error}")
            };
            assert_eq!((position, asked), (vec![i], to), "{wrong}");
        }
    }
}

#[test]
fn an_error_names_the_element_by_its_indices() {
    let mut tensor = vec![3.0; 24];
    tensor[17] = 0.37;
    let array = Array::of(&Tensor::new([2, 3, 4], tensor).unwrap(), DType::F32).unwrap();
    let text = array.values(DType::U8).unwrap_err().to_string();
    assert!(
        text.contains("[1, 1, 1]") && text.contains("0.37") && text.contains("0 to 255"),
        "{text}"
    );
}

#[test]
fn safetensors_keep_every_type() {
    let file =
        std::env::temp_dir().join(format!("resnetc-arrays-{}.safetensors", std::process::id()));
    let arrays: Vec<(DType, Array)> = DType::ALL
        .into_iter()
        .map(|dtype| {
            (dtype, Array::of(&Tensor::new([3, 4], counted(dtype)).unwrap(), dtype).unwrap())
        })
        .collect();
    save_arrays(&file, arrays.iter().map(|(dtype, array)| (dtype.name(), array))).unwrap();
    let read = load_arrays(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(read.len(), arrays.len());
    for (dtype, array) in &arrays {
        assert_eq!(read[dtype.name()], *array);
    }
}

proptest! {
    /// Whatever the bits are, an array is read as it was written, bfloat16 as equal floats.
    #[test]
    fn arrays_read_back(
        dtype in prop::sample::select(&DType::ALL[..]),
        shape in prop::collection::vec(0usize..4, 0..4),
        seed in any::<u64>(),
    ) {
        let count = shape.iter().product::<usize>() * dtype.bytes();
        let bytes = (0..count).map(|i| {
            let byte = (seed.wrapping_mul(2 * i as u64 + 1) >> 40) as u8;
            if dtype == DType::Bool { byte & 1 } else { byte }
        });
        let array = Array::new(dtype, shape, bytes.collect()).unwrap();
        let again = parse(&encode(&array).unwrap()).unwrap();
        prop_assert_eq!(array.shape(), again.shape());
        if dtype == DType::BF16 {
            prop_assert_eq!(again.dtype(), DType::F32);
            let halves = array.bytes().chunks(2).zip(again.bytes().chunks(4));
            prop_assert!(halves.into_iter().all(|(half, whole)| whole[..2] == [0, 0] && whole[2..] == *half));
        } else {
            prop_assert_eq!(array, again);
        }
    }

    /// A value of a type survives conversion to an array of that type and back.
    #[test]
    fn values_come_back(dtype in prop::sample::select(&DType::ALL[..]), x in any::<i8>()) {
        let tensor = Tensor::vector(vec![f32::from(x), 0.0, 1.0]);
        prop_assume!(tensor.data().iter().all(|&x| dtype.holds(x)));
        prop_assert_eq!(Array::of(&tensor, dtype).unwrap().values(dtype).unwrap(), tensor);
    }
}
