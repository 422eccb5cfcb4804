//! Writes ONNX files, independently of the reader: protobuf fields byte by byte.

/// A protobuf message under construction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message(pub(crate) Vec<u8>);

impl Message {
    pub(crate) fn varint(mut self, field: u64, value: i64) -> Self {
        self.raw_varint(field << 3);
        self.raw_varint(value as u64);
        self
    }

    pub(crate) fn float(mut self, field: u64, value: f32) -> Self {
        self.raw_varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub(crate) fn bytes(mut self, field: u64, bytes: impl AsRef<[u8]>) -> Self {
        self.raw_varint(field << 3 | 2);
        self.raw_varint(bytes.as_ref().len() as u64);
        self.0.extend(bytes.as_ref());
        self
    }

    pub(crate) fn message(self, field: u64, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// A graph with one input `x` and one output `y`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph(Message);

impl Graph {
    pub(crate) fn new(input: &[i64]) -> Self {
        Self::default().input("x", 1, input)
    }

    pub(crate) fn input(mut self, name: &str, data_type: i64, shape: &[i64]) -> Self {
        self.0 = self.0.message(11, &end(name, data_type, shape));
        self
    }

    /// An initializer in raw bytes.
    pub(crate) fn constant(mut self, name: &str, shape: &[i64], values: &[f32]) -> Self {
        let raw: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.0 = self.0.message(5, &tensor(name, shape, 1).bytes(9, raw));
        self
    }

    /// An initializer in the list of floats.
    pub(crate) fn listed(mut self, name: &str, shape: &[i64], values: &[f32]) -> Self {
        let packed: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.0 = self.0.message(5, &tensor(name, shape, 1).bytes(4, packed));
        self
    }

    pub(crate) fn whole_numbers(mut self, name: &str, values: &[i64]) -> Self {
        let raw: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let shape = [values.len() as i64];
        self.0 = self.0.message(5, &tensor(name, &shape, 7).bytes(9, raw));
        self
    }

    pub(crate) fn node(self, operator: &str, inputs: &[&str], output: &str) -> Self {
        self.node_with(operator, inputs, output, &[])
    }

    pub(crate) fn node_with(
        mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[Message],
    ) -> Self {
        let mut node = Message::default();
        for input in inputs {
            node = node.bytes(1, input);
        }
        node = node.bytes(2, output);
        node = node.bytes(3, format!("make_{output}")).bytes(4, operator);
        for attribute in attributes {
            node = node.message(5, attribute);
        }
        self.0 = self.0.message(1, &node);
        self
    }

    /// The file, with the output `y`.
    pub(crate) fn file(self) -> Vec<u8> {
        self.output("y").bare()
    }

    pub(crate) fn output(mut self, name: &str) -> Self {
        self.0 = self.0.message(12, &end(name, 1, &[1]));
        self
    }

    pub(crate) fn bare(self) -> Vec<u8> {
        self.of_operators(&[("", 13)])
    }

    /// The file without an output of its own, importing domains and versions.
    pub(crate) fn of_operators(self, imports: &[(&str, i64)]) -> Vec<u8> {
        let model = Message::default().varint(1, 7).message(7, &self.0);
        let file = imports.iter().fold(model, |model, &(domain, version)| {
            model.message(8, &Message::default().bytes(1, domain).varint(2, version))
        });
        file.0
    }

    /// A node of another domain than the standard one.
    pub(crate) fn foreign(mut self, domain: &str, operator: &str) -> Self {
        let node = Message::default().bytes(1, "x").bytes(2, "y");
        self.0 = self.0.message(1, &node.bytes(4, operator).bytes(7, domain));
        self
    }
}

pub(crate) fn integer(name: &str, value: i64) -> Message {
    Message::default().bytes(1, name).varint(3, value)
}

pub(crate) fn real(name: &str, value: f32) -> Message {
    Message::default().bytes(1, name).float(2, value)
}

pub(crate) fn integers(name: &str, values: &[i64]) -> Message {
    let start = Message::default().bytes(1, name);
    values
        .iter()
        .fold(start, |message, &value| message.varint(8, value))
}

fn tensor(name: &str, shape: &[i64], data_type: i64) -> Message {
    let dims = shape.iter().fold(Message::default(), |message, &extent| {
        message.varint(1, extent)
    });
    dims.varint(2, data_type).bytes(8, name)
}

fn end(name: &str, data_type: i64, shape: &[i64]) -> Message {
    let dims = shape.iter().fold(Message::default(), |message, &extent| {
        let dimension = match extent {
            0 => Message::default().bytes(2, "batch"),
            extent => Message::default().varint(1, extent),
        };
        message.message(1, &dimension)
    });
    let tensor = Message::default().varint(1, data_type).message(2, &dims);
    let kind = Message::default().message(1, &tensor);
    Message::default().bytes(1, name).message(2, &kind)
}
