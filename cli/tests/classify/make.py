"""Makes the networks of this folder, and ONNX Runtime's answers for a picture that Pillow prepared.

    pip install "pillow<13" numpy onnx onnxruntime
    python cli/tests/classify/make.py

Every network is the same small trunk with a different input or head. `cases.json` has for each of them the options
of `resnetc classify` and the probabilities of all classes, or what the error must contain.
`cli/tests/cli/heads.rs` reads it.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

HERE = Path(__file__).parent
PICTURE = "cli/tests/pictures/odd.png"
SIZE = (20, 16)  # height and width
CLASSES = 5
FLOAT, BYTES, SIGNED = TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT8

cases = []


class Network:
    """A graph under construction."""

    def __init__(self, opset=17):
        self.random = np.random.default_rng(11)
        self.opset, self.nodes, self.constants, self.inputs, self.outputs = opset, [], [], [], []

    def constant(self, value, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype=dtype), name))
        return name

    def add(self, op, *operands, **attributes):
        name = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(operands), [name], name, **attributes))
        return name

    def input(self, shape, dtype=FLOAT, name="x"):
        self.inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def output(self, name, value, shape, dtype=FLOAT):
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, dtype, shape))

    def pool(self, x, channels=3, features=8):
        """Features of each picture, [N, features, 1, 1]."""
        weights = 0.4 * self.random.standard_normal((features, channels, 3, 3))
        x = self.add("Conv", x, self.constant(weights), strides=[2, 2], pads=[1, 1, 1, 1])
        return self.add("GlobalAveragePool", self.add("Relu", x))

    def scores(self, x, classes=CLASSES):
        """[N, classes]."""
        weights = 1.5 * self.random.standard_normal((8, classes))
        bias = 0.5 * self.random.standard_normal(classes)
        return self.add("Gemm", self.add("Flatten", x), self.constant(weights), self.constant(bias))

    def save(self, name):
        graph = helper.make_graph(self.nodes, "g", self.inputs, self.outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)])
        model.ir_version = 8
        # The checker requires a shape, which engines do not need.
        if all(i.type.tensor_type.HasField("shape") for i in self.inputs):
            onnx.checker.check_model(model)
        (HERE / f"{name}.onnx").write_bytes(model.SerializeToString())


def trunk(opset=17, height=SIZE[0], width=SIZE[1], classes=CLASSES, batch="N"):
    """A network for colour pictures, and its scores."""
    net = Network(opset)
    scores = net.scores(net.pool(net.input([batch, 3, height, width])), classes)
    return net, scores


def pixels(size=SIZE, mode="RGB"):
    """The picture stretched to height and width, as [1, H, W, C] of bytes."""
    picture = Image.open(HERE.parents[2] / PICTURE).convert(mode)
    picture = picture.resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(picture, np.uint8).reshape(1, *size, -1)


def normalized(size=SIZE):
    """The same in 0..1, as [1, C, H, W]."""
    return pixels(size).transpose(0, 3, 1, 2).astype(np.float32) / 255


def keras():
    """The input of Keras' ResNet v1, scaled by nearest neighbour."""
    picture = Image.open(HERE.parents[2] / PICTURE).convert("RGB").resize(SIZE[::-1], Image.Resampling.NEAREST)
    bgr = np.asarray(picture, np.float32)[None, :, :, ::-1]
    return bgr - np.array([103.939, 116.779, 123.68], np.float32)


UNIT = ["--stretch", "--mean", "0", "--std", "1"]


def run(name, values, output=0):
    session = onnxruntime.InferenceSession(HERE / f"{name}.onnx", providers=["CPUExecutionProvider"])
    feed = session.get_inputs()[0].name
    return session.run(None, {feed: values})[output][:1].astype(np.float64).reshape(-1)


def softmax(x):
    return np.exp(x - x.max()) / np.exp(x - x.max()).sum()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def binary(x):
    return np.array([1 - x[0], x[0]])


def case(model, options=(), *, labels=None, right=None, error=None, says=None, raw=None):
    """A case: the probabilities that are `right`, the numbers that are printed unchanged, or an `error`."""
    entry = {"model": model, "options": [*options], "labels": labels}
    if right is not None:
        entry["probabilities"] = [round(float(p), 7) for p in right]
    if raw is not None:
        entry["values"] = [float(np.float32(x)) for x in raw]
    cases.append({**entry, "error": error, "says": says})


def head(name, build, right, *, opset=17, classes=CLASSES, shape=None, dtype=FLOAT):
    """A network with one output, and its correct answer."""
    net, scores = trunk(opset, classes=classes)
    net.output("y", build(net, scores), shape or ["N", classes], dtype)
    net.save(name)
    case(name, UNIT, right=right(run(name, normalized())))


def heads():
    same = lambda y: y
    head("scores", lambda net, s: s, softmax)
    head("softmax", lambda net, s: net.add("Softmax", s, axis=-1), same)
    head("softmax_opset_11", lambda net, s: net.add("Softmax", s), same, opset=11)
    head("log_softmax", lambda net, s: net.add("LogSoftmax", s), np.exp)
    head("sigmoid_many", lambda net, s: net.add("Sigmoid", s), same)
    head("sigmoid_one", lambda net, s: net.add("Sigmoid", s), binary, classes=1)
    head("score_one", lambda net, s: s, lambda y: binary(sigmoid(y)), classes=1)
    squeezed = lambda net, s: net.add("Squeeze", net.add("Sigmoid", s), net.constant([1], np.int64))
    head("sigmoid_one_squeezed", squeezed, binary, classes=1, shape=["N"])
    head("hard_sigmoid", lambda net, s: net.add("HardSigmoid", s), same)
    clipped = lambda net, s: net.add("Clip", net.add("Add", net.add("Mul", s, net.constant(0.2)), net.constant(0.5)),
                                     net.constant(0.0), net.constant(1.0))
    head("clipped", clipped, same)

    def by_hand(net, scores):
        powers = net.add("Exp", scores)
        return net.add("Div", powers, net.add("ReduceSum", powers, net.constant([1], np.int64)))

    def logarithms(net, scores):
        total = net.add("ReduceLogSumExp", scores, axes=[1])
        return net.add("Sub", scores, total)

    def behind(net, scores):
        axes = net.constant([2, 3], np.int64)
        wide = net.add("Softmax", net.add("Unsqueeze", scores, axes), axis=1)
        return net.add("Cast", net.add("Identity", wide), to=FLOAT)

    def last(net, scores):
        wide = net.add("Reshape", net.add("Softmax", scores), net.constant([-1, 1, 1, CLASSES], np.int64))
        return wide

    def average(net, scores):
        other = net.add("Neg", scores)
        both = net.add("Add", net.add("Softmax", scores), net.add("Softmax", other))
        return net.add("Mul", both, net.constant(0.5))

    def pair(net, scores):
        p = net.add("Sigmoid", scores)
        return net.add("Concat", net.add("Sub", net.constant(1.0), p), p, axis=1)

    def quantized(net, scores):
        return net.add("QuantizeLinear", net.add("Softmax", scores), net.constant(1 / 256), net.constant(0, np.uint8))

    def dequantized(net, scores):
        return net.add("DequantizeLinear", quantized(net, scores), net.constant(1 / 256), net.constant(0, np.uint8))

    def quantized_scores(net, scores):
        return net.add("QuantizeLinear", scores, net.constant(0.05), net.constant(100, np.uint8))

    head("softmax_by_hand", by_hand, same)
    head("log_softmax_by_hand", logarithms, np.exp)
    head("softmax_renamed", behind, same, shape=["N", CLASSES, 1, 1])
    head("softmax_channels_last", last, same, shape=["N", 1, 1, CLASSES])
    head("two_averaged", average, same)
    head("a_pair", pair, same, classes=1, shape=["N", 2])
    head("in_percent", lambda net, s: net.add("Mul", net.add("Softmax", s), net.constant(100.0)), lambda y: y / 100)
    head("dequantized", dequantized, same)
    head("quantized", quantized, lambda y: y / 256, dtype=BYTES)
    head("quantized_scores", quantized_scores, lambda y: softmax((y - 100) * 0.05), dtype=BYTES)


def overrides():
    scores = run("scores", normalized())
    probabilities = run("softmax", normalized())
    case("scores", [*UNIT, "--activation", "none"], raw=scores)
    case("scores", [*UNIT, "--activation", "sigmoid"], right=sigmoid(scores))
    case("softmax", [*UNIT, "--activation", "softmax"], right=softmax(probabilities))
    case("score_one", [*UNIT, "--activation", "softmax"], error=["--activation softmax", "\"y\"", "always 1"])
    case("score_one", [*UNIT, "--activation", "none"], raw=run("score_one", normalized()))


def labelled():
    pets = ["cat", "dog", "fish", "bird", "cow"]
    case("scores", UNIT, labels=pets, right=softmax(run("scores", normalized())))
    case("scores", UNIT, labels=pets[:4], error=["4 labels", "5 classes"])
    case("scores", UNIT, labels=pets + ["hen"], error=["6 labels", "5 classes"])
    p = binary(run("sigmoid_one", normalized()))
    case("sigmoid_one", UNIT, labels=pets[:2], right=p)
    case("sigmoid_one", UNIT, labels=pets[:1], right=p)
    case("sigmoid_one", UNIT, labels=pets[:3], error=["3 labels", "2 classes"])


def several():
    pets = ["cat", "dog", "fish", "bird", "cow"]
    net, scores = trunk()
    net.output("features", net.nodes[-2].output[0], ["N", 8])
    net.output("scores", scores, ["N", CLASSES])
    net.save("features_and_scores")
    right = softmax(run("features_and_scores", normalized(), 1))
    says = ["\"features\" [1, 8]", "\"scores\" [1, 5]"]
    case("features_and_scores", UNIT, error=says)
    case("features_and_scores", UNIT, labels=pets[:3], error=[*says, "3 classes"])
    case("features_and_scores", UNIT, labels=pets, right=right, says=[*says, "\"scores\" is used"])
    case("features_and_scores", [*UNIT, "--output-name", "scores"], right=right)
    case("features_and_scores", [*UNIT, "--output-name", "scorse"], error=["\"scorse\""])
    case("features_and_scores", [*UNIT, "--output-name", "features"], labels=pets, error=["5 labels", "8 classes"])

    net, scores = trunk()
    net.output("scores", scores, ["N", CLASSES])
    net.output("p", net.add("Softmax", scores), ["N", CLASSES])
    net.save("scores_and_softmax")
    right = run("scores_and_softmax", normalized(), 1)
    case("scores_and_softmax", UNIT, right=right, says=["\"p\" is used"])
    case("scores_and_softmax", UNIT, labels=pets, right=right, says=["\"p\" is used"])

    net, scores = trunk()
    net.output("map", net.nodes[0].output[0], ["N", 8, 10, 8])
    net.output("scores", scores, ["N", CLASSES])
    net.save("map_and_scores")
    right = softmax(run("map_and_scores", normalized(), 1))
    case("map_and_scores", UNIT, right=right, says=["\"scores\" is used"])
    case("map_and_scores", [*UNIT, "--output-name", "map"], error=["\"map\" [1, 8, 10, 8]"])

    net, scores = trunk()
    net.output("one", scores, ["N", CLASSES])
    net.output("other", net.add("Neg", scores), ["N", CLASSES])
    net.save("two_scores")
    case("two_scores", UNIT, labels=pets, error=["\"one\"", "\"other\""])


def no_classes():
    net = Network()
    features = net.add("Flatten", net.pool(net.input(["N", 3, *SIZE])))
    net.output("embedding", net.add("LpNormalization", features, axis=1, p=2), ["N", 8])
    net.save("embedding_lp")
    net = Network()
    features = net.add("Flatten", net.pool(net.input(["N", 3, *SIZE])))
    length = net.add("Clip", net.add("ReduceL2", features, axes=[1]), net.constant(1e-12))
    net.output("embedding", net.add("Div", features, length), ["N", 8])
    net.save("embedding")
    case("embedding", UNIT, error=["\"embedding\" [1, 8]", "normalized"])
    case("embedding", [*UNIT, "--activation", "softmax"], right=softmax(run("embedding", normalized())))

    net = Network()
    maps = net.add("Conv", net.input(["N", 3, *SIZE]), net.constant(net.random.standard_normal((CLASSES, 3, 1, 1))))
    net.output("masks", maps, ["N", CLASSES, *SIZE])
    net.save("segmentation")
    case("segmentation", UNIT, error=["\"masks\" [1, 5, 20, 16]"])
    net, scores = trunk(classes=12)
    net.output("boxes", net.add("Reshape", scores, net.constant([-1, 3, 4], np.int64)), ["N", 3, 4])
    net.save("boxes")
    case("boxes", UNIT, error=["\"boxes\" [1, 3, 4]"])


def inputs():
    colour, grey = ["--channels", "rgb"], ["--channels", "grey"]

    # Pixel by pixel, as tf2onnx writes Keras' networks.
    net = Network()
    x = net.add("Transpose", net.input(["N", *SIZE, 3]), perm=[0, 3, 1, 2])
    net.output("y", net.add("Softmax", net.scores(net.pool(x))), ["N", CLASSES])
    net.save("nhwc")
    values = pixels().astype(np.float32)
    case("nhwc", UNIT, right=run("nhwc", values / 255))
    case("nhwc", ["--preset", "keras"], right=run("nhwc", keras()))
    case("nhwc", [*UNIT, "--layout", "nchw"], error=["[1, 20, 16, 3]", "[N, 1 or 3, height, width]"])

    # Three rows of a picture look like three channels.
    net = Network()
    x = net.add("Transpose", net.input(["N", 3, 16, 3]), perm=[0, 3, 1, 2])
    net.output("y", net.add("Softmax", net.scores(net.pool(x))), ["N", CLASSES])
    net.save("nhwc_flat")
    right = run("nhwc_flat", pixels((3, 16)).astype(np.float32) / 255)
    case("nhwc_flat", [*UNIT, "--layout", "nhwc"], right=right)

    # Bytes.
    def of_bytes(name, shape, channels, dtype=BYTES):
        net = Network()
        x = net.add("Div", net.add("Cast", net.input(shape, dtype), to=FLOAT), net.constant(255.0))
        if shape[-1] == channels:
            x = net.add("Transpose", x, perm=[0, 3, 1, 2])
        net.output("y", net.add("Softmax", net.scores(net.pool(x, channels))), ["N", CLASSES])
        net.save(name)

    of_bytes("bytes", ["N", 3, *SIZE], 3)
    right = run("bytes", pixels().transpose(0, 3, 1, 2))
    case("bytes", ["--stretch"], right=right)
    case("bytes", ["--stretch", "--preset", "timm", "--interpolation", "bilinear"], right=right)
    case("bytes", ["--stretch", "--scale", "255", "--mean", "0", "--std", "1"], right=right)
    case("bytes", UNIT, right=right)
    case("bytes", [*UNIT, "--scale", "1"], error=["uint8", "from 0 to 255", "a byte of 1 becomes 0.003"])
    case("bytes", ["--stretch", "--mean", "0.5", "--std", "0.5"], error=["uint8", "a byte of 0 becomes -1"])
    of_bytes("bytes_grey_nhwc", ["N", *SIZE, 1], 1)
    case("bytes_grey_nhwc", ["--stretch", *grey], right=run("bytes_grey_nhwc", pixels(mode="L")))
    case("bytes_grey_nhwc", ["--stretch"], error=["3 channels", "[1, 20, 16, 1]"])
    of_bytes("signed", ["N", 3, *SIZE], 3, SIGNED)
    signed = (pixels().transpose(0, 3, 1, 2).astype(np.int16) - 128).astype(np.int8)
    case("signed", ["--stretch"], error=["int8", "from -128 to 127", "a byte of 128 becomes 128"])
    case("signed", ["--stretch", "--scale", "255", "--mean", "128", "--std", "1"], right=run("signed", signed))

    # Grey, in floats.
    net = Network()
    net.output("y", net.add("Softmax", net.scores(net.pool(net.input(["N", 1, *SIZE]), 1))), ["N", CLASSES])
    net.save("grey")
    right = run("grey", pixels(mode="L").transpose(0, 3, 1, 2).astype(np.float32) / 255)
    case("grey", [*UNIT, *grey], right=right)
    case("grey", [*UNIT, *colour], error=["3 channels", "[1, 1, 20, 16]"])

    # Height and width left open.
    for name, shape in [("open", ["N", 3, "h", "w"]), ("open_unnamed", [None, 3, None, None])]:
        net = Network()
        net.output("y", net.add("Softmax", net.scores(net.pool(net.input(shape)))), ["N", CLASSES])
        net.save(name)
        says = ["height and width of its input \"x\"", "[1, 3, 224, 224] is used", "--size changes that"]
        case(name, UNIT, right=run(name, normalized((224, 224))), says=says)
        case(name, [*UNIT, "--size", "20x16"], right=run(name, normalized()))
        case(name, [*UNIT, "--size", "24"], right=run(name, normalized((24, 24))))
    case("open", [*UNIT, "--shape", "h=20", "--size", "20x16"], right=run("open", normalized()))
    case("scores", [*UNIT, "--size", "24"], error=["--size 24x24", "[1, 3, 20, 16]"])
    net = Network()
    x = net.add("Transpose", net.input(["N", "h", "w", 3]), perm=[0, 3, 1, 2])
    net.output("y", net.add("Softmax", net.scores(net.pool(x))), ["N", CLASSES])
    net.save("open_nhwc")
    case("open_nhwc", [*UNIT, "--size", "20x16"], right=run("open_nhwc", pixels().astype(np.float32) / 255))

    # Open, but a later layer accepts only one size.
    net = Network()
    x = net.add("Relu", net.add("Conv", net.input(["N", 3, "h", "w"]), net.constant(net.random.normal(size=(2, 3, 4, 4))),
                                strides=[4, 4]))
    weights = net.constant(0.2 * net.random.standard_normal((2 * 5 * 4, CLASSES)))
    net.output("y", net.add("Softmax", net.add("Gemm", net.add("Flatten", x), weights)), ["N", CLASSES])
    net.save("open_but_one_size")
    case("open_but_one_size", UNIT, error=["Gemm", "[40, 5]"])
    case("open_but_one_size", [*UNIT, "--size", "20x16"], right=run("open_but_one_size", normalized()))

    # No shape at all: the shape that the network accepts is used.
    undeclared(["N", "a", "b", "c"], "open_channels")
    undeclared(None, "undeclared")

    # A batch that cannot be changed: a mean over the pictures.
    net = Network()
    x = net.input([4, 3, *SIZE])
    scores = net.scores(net.pool(x))
    mean = net.add("ReduceMean", scores, axes=[0])
    net.output("y", net.add("Softmax", net.add("Add", scores, net.add("Sub", mean, mean))), [4, CLASSES])
    net.save("batch_of_four")
    zeros = np.zeros((3, 3, *SIZE), np.float32)
    case("batch_of_four", UNIT, right=run("batch_of_four", np.concatenate([normalized(), zeros])))

    # Not one picture.
    net = Network()
    both = net.add("Add", net.input(["N", 3, *SIZE]), net.input(["N", 3, *SIZE], name="mask"))
    net.output("y", net.scores(net.pool(both)), ["N", CLASSES])
    net.save("two_inputs")
    case("two_inputs", UNIT, error=["2 inputs", "\"x\"", "\"mask\""])
    net = Network()
    net.output("y", net.scores(net.pool(net.input(["N", 4, *SIZE]), 4)), ["N", CLASSES])
    net.save("four_channels")
    case("four_channels", UNIT, error=["[1, 4, 20, 16]"])


def undeclared(shape, name):
    """A network in NCHW and one in NHWC, which declare little about their inputs."""
    what = "channels, height and width" if shape else "the shape"
    net = Network()
    net.output("y", net.add("Softmax", net.scores(net.pool(net.input(shape)))), ["N", CLASSES])
    net.save(name)
    says = [f"{what} of its input \"x\"", "[1, 3, 224, 224] is used", "--size, --channels and --layout change that"]
    case(name, UNIT, right=run(name, normalized((224, 224))), says=says)
    told = [*UNIT, "--size", "20x16", "--layout", "nchw", "--channels", "rgb"]
    case(name, told, right=run(name, normalized()))
    case(name, [*UNIT, "--shape", "x=2,3,20,16" if shape is None else "c=16", "--size", "20x16"],
         right=run(name, normalized()), says=shape and ["[1, 3, 20, 16] is used"])
    wrong = [*UNIT, "--size", "20x16", "--layout", "nhwc", "--channels", "rgb"]
    case(name, wrong, error=["Conv"])
    nhwc = f"{name}_nhwc"
    net = Network()
    x = net.add("Transpose", net.input(shape), perm=[0, 3, 1, 2])
    net.output("y", net.add("Softmax", net.scores(net.pool(x))), ["N", CLASSES])
    net.save(nhwc)
    right = run(nhwc, pixels().astype(np.float32) / 255)
    case(nhwc, [*UNIT, "--size", "20x16"], right=right, says=["[1, 20, 16, 3] is used", "--channels and --layout"])
    case(nhwc, [*UNIT, "--size", "20x16", "--layout", "nhwc", "--channels", "rgb"], right=right)
    grey = f"{name}_grey"
    net = Network()
    net.output("y", net.add("Softmax", net.scores(net.pool(net.input(shape), 1))), ["N", CLASSES])
    net.save(grey)
    case(grey, [*UNIT, "--size", "20x16"], error=["[1, 1, 20, 16] is used"])
    right = run(grey, pixels(mode="L").transpose(0, 3, 1, 2).astype(np.float32) / 255)
    case(grey, [*UNIT, "--size", "20x16", "--channels", "grey", "--layout", "nchw"], right=right)


def parts():
    """Additional outputs that depend on things that are not supported."""
    net, scores = trunk()
    net.output("scores", scores, ["N", CLASSES])
    net.output("where", net.add("NonZero", net.input(["N", 4], name="mask")), [2, "found"], TensorProto.INT64)
    net.save("scores_and_more")
    case("scores_and_more", UNIT, error=["NonZero"])
    case("scores_and_more", [*UNIT, "--output-name", "scores"], right=softmax(run_part("scores_and_more", "scores")))
    case("scores_and_more", [*UNIT, "--output-name", "scores", "--outputs", "scores"], error=["--outputs has no effect"])


def run_part(name, output):
    session = onnxruntime.InferenceSession(HERE / f"{name}.onnx", providers=["CPUExecutionProvider"])
    feed = {"x": normalized(), "mask": np.ones((1, 4), np.float32)}
    return session.run([output], feed)[0].astype(np.float64).reshape(-1)


if __name__ == "__main__":
    heads()
    overrides()
    labelled()
    several()
    no_classes()
    inputs()
    parts()
    lines = ",\n".join(json.dumps(case) for case in cases)
    (HERE / "cases.json").write_text(f"[\n{lines}\n]\n")
