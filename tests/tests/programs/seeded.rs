// Written by `generator.rs`: `WRITE_PROGRAMS=1 cargo test -p ivon-tests --test programs`.
both! {
impl Net {
    pub fn program_0<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let x = (-input * sigmoid((0.05 * x * 2 - input)));
        let block = (4 + 7 / 3);
        tanh((-input * sigmoid(self.up.forward(input)))) + input * 0.5
    }
    pub fn program_1<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let (mut block, x) = (sin(input + x), tanh(input));
        block = tanh((-x * sigmoid(x)));
        let mut x = (1 * (2 * x * 0.05) * 0.05);
        for y in &self.pairs {
            block = (0.05 * x * 3 - self.up.forward(input));
            block = self.up.forward(input.tanh());
            let mut y = (block + tanh((0.05 * block * 1 - x)));
            x = (-block * sigmoid(sin(y + block)));
            x = self.up.forward((4 * y * 0.05));
        }
        tanh(sin(sin(block + input) + input)) + input * 0.5
    }
    pub fn program_2<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let mut a = sin(self.up.forward(x) + x);
        a = (-input * sigmoid((0.05 * a * (4 * 2 / 4) - x)));
        let mut x = sin((input + tanh(x)) + a);
        for y in &self.blocks {
            x = x.tanh();
            x = self.up.forward(sin(x + a));
            let (mut a, x) = (self.up.forward(a), tanh(input));
            let block = tanh(y.forward(input));
            a = (-a * sigmoid(self.up.forward(input)));
        }
        tanh((-x * sigmoid((0.05 * x * (3 - 7 / 2) - a)))) + input * 0.5
    }
    pub fn program_3<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let (mut y, x) = (self.up.forward(x), self.up.forward(input));
        let a = (0.05 * y * (8 + 5 / 4) - (-y * sigmoid(x)));
        let x = (1 * (9 * 5 / 2) / 2);
        let (mut block, x) = (tanh(y), (-y * sigmoid(y)));
        block = (input + tanh(a.tanh()));
        block = (y + tanh((-block * sigmoid(a))));
        for a in &self.pairs {
            block = (y + tanh((8 * x * 0.05)));
            y = block.tanh();
            for block in &self.pairs {
                y = (0.05 * input * (4 - 7 / 3) - (0.05 * input * 1 - y));
                y = self.up.forward((-x * sigmoid(y)));
                y = x.tanh();
                y = tanh((input + tanh(y)));
                y = sin((0.05 * y * 2 - y) + y);
            }
            let a = 7;
        }
        tanh(self.up.forward(tanh(x))) + input * 0.5
    }
    pub fn program_4<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let x = sin(self.up.forward(input) + x);
        let mut x = sin((0.05 * input * (5 * 5 / 3) - x) + x);
        let y = ((4 * 8 / 2) * x.tanh() * 0.05);
        let (mut y, x) = (self.up.forward(input), (0.05 * y * (6 - 3 / 4) - y));
        y = tanh((input + tanh(y)));
        for x in &self.pairs {
            y = self.up.forward(self.up.forward(input));
            y = (0.05 * input * 2 - (0.05 * input * 3 - y));
            let (mut a, x) = x.forward((y + tanh(y)));
            let (mut y, x) = ((-a * sigmoid(input)), (a + tanh(y)));
        }
        tanh(sin(((1 + 7 / 5) * y * 0.05) + input)) + input * 0.5
    }
    pub fn program_5<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = (0.05 * x * 2 - (input + tanh(x)));
        let y = 3;
        let (mut block, x) = (sin(x + input), (-x * sigmoid(input)));
        for x in &self.blocks {
            block = self.up.forward((3 * block * 0.05));
            for a in &self.inner {
                block = (-input * sigmoid(x.forward(input)));
                let mut block = (0.05 * input * y - (8 * block * 0.05));
                let block = self.up.forward(sin(block + block));
            }
            block = tanh(input.tanh());
            block = x.forward((2 * input * 0.05));
        }
        block = self.up.forward(x.tanh());
        block = self.up.forward((-x * sigmoid(x)));
        for y in &self.pairs {
            block = tanh(self.up.forward(input));
            let mut x = (block + tanh(((3 * 8 / 3) * x * 0.05)));
            let (mut x, y) = y.forward(sin(x + x));
            x = self.up.forward(tanh(y));
            let y = (0.05 * y * 3 - (-input * sigmoid(input)));
        }
        tanh((-block * sigmoid((0.05 * block * (4 + y / 2) - input)))) + input * 0.5
    }
    pub fn program_6<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let (mut y, x) = ((input + tanh(input)), (-input * sigmoid(x)));
        let mut y = (y + tanh(tanh(y)));
        y = (8 * ((4 - 8 / 5) * input * 0.05) * 0.05);
        y = self.up.forward(sin(y + input));
        y = (3 * input.tanh() * 0.05);
        for block in &self.inner {
            y = (0.05 * y * 2 - (0.05 * y * (1 + 1 / 3) - x));
            let mut x = (9 * y.tanh() * 0.05);
            x = y.tanh();
            for x in &self.pairs {
                y = (8 * (0.05 * y * (6 * 8 / 4) - y) * 0.05);
                let (mut x, y) = x.forward(sin(input + input));
            }
            y = block.forward(self.up.forward(x));
        }
        tanh(sin(sin(x + x) + y)) + input * 0.5
    }
    pub fn program_7<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let mut x = x.tanh();
        x = (0.05 * input * 1 - (x + tanh(x)));
        x = (input + tanh(x.tanh()));
        let block = (1 * 4 / 2);
        x = sin((0.05 * input * (block + block / 4) - input) + x);
        for y in &self.inner {
            x = input.tanh();
            let a = (-x * sigmoid(y.forward(input)));
            let x = (4 + 3 / 4);
        }
        tanh((block * sin(x + input) * 0.05)) + input * 0.5
    }
    pub fn program_8<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        for a in &self.blocks {
            x = x.tanh();
            x = self.up.forward((2 * x * 0.05));
        }
        let x = (0.05 * x * (7 * 3 / 3) - (0.05 * x * 8 - input));
        let (mut a, x) = (self.up.forward(input), self.up.forward(x));
        for block in &self.blocks {
            a = sin((0.05 * a * 9 - input) + x);
            let block = self.up.forward(sin(input + input));
        }
        tanh((a + tanh((-input * sigmoid(a))))) + input * 0.5
    }
    pub fn program_9<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = self.up.forward(((7 + 3 / 3) * x * 0.05));
        let y = input.tanh();
        let y = 6;
        let (mut y, x) = ((-x * sigmoid(input)), self.up.forward(x));
        y = ((4 * 7 / 4) * tanh(y) * 0.05);
        y = tanh((0.05 * x * 3 - x));
        for a in &self.inner {
            y = (-y * sigmoid(sin(x + y)));
            let x = a.forward(tanh(input));
            let block = (5 + 4 / 2);
            let mut block = tanh((4 * input * 0.05));
        }
        tanh((0.05 * input * 7 - self.up.forward(x))) + input * 0.5
    }
    pub fn program_10<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let (mut a, x) = (tanh(input), (5 * input * 0.05));
        let mut x = tanh((0.05 * input * (6 + 2 / 5) - a));
        for y in &self.inner {
            a = (-x * sigmoid(tanh(input)));
            let block = 2;
            let (mut a, x) = (self.up.forward(x), tanh(a));
        }
        let block = tanh((input + tanh(a)));
        for y in &self.blocks {
            a = (0.05 * a * 6 - input.tanh());
            a = (0.05 * x * (3 * 8 / 4) - (0.05 * x * 7 - input));
            for a in &self.inner {
                x = sin(x.tanh() + x);
                let mut x = (-block * sigmoid(input.tanh()));
                x = (4 * y.forward(block) * 0.05);
                let mut block = (-x * sigmoid(sin(input + input)));
                let (mut block, x) = (sin(x + x), tanh(block));
            }
        }
        tanh(tanh(block.tanh())) + input * 0.5
    }
    pub fn program_11<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let y = (0.05 * input * 9 - input.tanh());
        for a in &self.inner {
            x = (5 * self.up.forward(input) * 0.05);
            let (mut a, x) = ((9 * y * 0.05), tanh(input));
            for block in &self.blocks {
                a = (5 * sin(y + input) * 0.05);
                let (mut a, x) = (tanh(input), input.tanh());
                a = block.forward(tanh(x));
                a = ((5 * 5 / 2) * block.forward(input) * 0.05);
            }
            a = self.up.forward(a.tanh());
        }
        x = input.tanh();
        let (mut a, x) = (x.tanh(), self.up.forward(input));
        a = self.up.forward((0.05 * a * 4 - x));
        let mut a = (-x * sigmoid(tanh(input)));
        for block in &self.inner {
            a = (3 * tanh(y) * 0.05);
            a = (-y * sigmoid(((8 * 2 / 3) * input * 0.05)));
            a = (0.05 * y * 7 - (0.05 * a * 4 - input));
            for y in &self.pairs {
                a = (-a * sigmoid(block.forward(a)));
                let y = self.up.forward(input.tanh());
                a = (7 * (-input * sigmoid(input)) * 0.05);
                let (mut block, x) = ((6 * x * 0.05), block.forward(x));
            }
            let x = 5;
        }
        tanh(self.up.forward(y.tanh())) + input * 0.5
    }
    pub fn program_12<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = (0.05 * x * 6 - (0.05 * input * (4 * 8 / 3) - x));
        x = input.tanh();
        let mut y = tanh((6 * input * 0.05));
        x = (5 * self.up.forward(x) * 0.05);
        let mut a = self.up.forward((input + tanh(input)));
        y = self.up.forward((0.05 * x * (7 - 1 / 5) - y));
        for x in &self.blocks {
            y = (0.05 * a * 7 - self.up.forward(y));
            let x = tanh(input.tanh());
            let mut block = tanh((3 * x * 0.05));
        }
        tanh(sin((6 * y * 0.05) + x)) + input * 0.5
    }
    pub fn program_13<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = (0.05 * x * 2 - sin(input + input));
        x = input.tanh();
        x = x.tanh();
        for y in &self.pairs {
            x = self.up.forward(self.up.forward(x));
            x = (4 * sin(x + input) * 0.05);
        }
        tanh(sin(self.up.forward(input) + x)) + input * 0.5
    }
    pub fn program_14<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let a = (input + tanh(tanh(x)));
        for block in &self.blocks {
            x = ((4 * 7 / 5) * (0.05 * a * 1 - x) * 0.05);
            let (mut a, x) = (x.tanh(), (0.05 * input * 2 - x));
            let mut block = a.tanh();
        }
        let y = 9;
        let y = y;
        x = (0.05 * a * 5 - (-input * sigmoid(a)));
        let y = tanh(tanh(x));
        for a in &self.blocks {
            x = (0.05 * input * (4 * 6 / 2) - sin(y + y));
            x = (0.05 * x * (3 * 2 / 2) - self.up.forward(x));
            x = sin((0.05 * y * 1 - input) + y);
            x = sin(input.tanh() + y);
            let (mut y, x) = (a.forward(input), tanh(input));
        }
        tanh(sin(x.tanh() + y)) + input * 0.5
    }
    pub fn program_15<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let x = 5;
        let mut block = input.tanh();
        block = sin((-block * sigmoid(input)) + input);
        for x in &self.pairs {
            block = self.up.forward((0.05 * block * (2 - 8 / 5) - input));
            block = block.tanh();
            block = tanh((9 * input * 0.05));
        }
        tanh((0.05 * block * x - tanh(input))) + input * 0.5
    }
    pub fn program_16<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = (0.05 * x * 1 - tanh(x));
        x = (5 * tanh(x) * 0.05);
        for block in &self.blocks {
            x = (0.05 * x * 6 - (-input * sigmoid(input)));
            x = sin((6 * input * 0.05) + input);
        }
        for a in &self.inner {
            x = (0.05 * input * (9 + 2 / 3) - a.forward(input));
            x = sin(tanh(x) + input);
            let mut y = sin(self.up.forward(input) + x);
            x = tanh((-input * sigmoid(y)));
            x = a.forward(self.up.forward(x));
        }
        tanh(sin(input.tanh() + input)) + input * 0.5
    }
    pub fn program_17<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = input.tanh();
        let (mut y, x) = (tanh(input), self.up.forward(x));
        y = ((6 - 9 / 5) * sin(x + y) * 0.05);
        y = (-y * sigmoid(input.tanh()));
        y = tanh(self.up.forward(input));
        for x in &self.pairs {
            y = self.up.forward(((6 + 1 / 2) * input * 0.05));
            for x in &self.pairs {
                y = y.tanh();
                let (mut y, x) = x.forward(((9 * 7 / 3) * y * 0.05));
                let a = ((5 + 9 / 3) * self.up.forward(x) * 0.05);
                y = (input + tanh((0.05 * y * (5 + 8 / 5) - y)));
            }
            y = (0.05 * input * 4 - (0.05 * y * 1 - y));
            let mut x = (0.05 * input * (2 * 2 / 2) - (-input * sigmoid(y)));
        }
        y = sin(tanh(input) + input);
        for x in &self.blocks {
            y = (0.05 * input * 4 - sin(y + input));
            let (mut x, y) = (x.forward(y), x.forward(y));
            let mut y = sin(tanh(x) + x);
        }
        tanh(self.up.forward((0.05 * y * 8 - input))) + input * 0.5
    }
    pub fn program_18<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = sin(self.up.forward(input) + x);
        x = (5 * input.tanh() * 0.05);
        x = (-input * sigmoid(sin(input + input)));
        for block in &self.inner {
            x = input.tanh();
            x = (8 * self.up.forward(input) * 0.05);
            x = (0.05 * x * 7 - (-input * sigmoid(x)));
            x = tanh(sin(input + input));
        }
        tanh((0.05 * x * 7 - (-x * sigmoid(input)))) + input * 0.5
    }
    pub fn program_19<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = (-x * sigmoid(((6 - 2 / 4) * x * 0.05)));
        x = (-x * sigmoid((x + tanh(x))));
        for a in &self.pairs {
            x = (0.05 * x * (8 - 3 / 3) - (-input * sigmoid(x)));
            x = input.tanh();
            let mut a = (input + tanh((x + tanh(x))));
        }
        for block in &self.inner {
            x = self.up.forward(tanh(x));
            x = tanh(sin(input + x));
        }
        for y in &self.inner {
            x = (0.05 * x * 6 - self.up.forward(input));
            x = x.tanh();
            let (mut a, x) = ((0.05 * input * (5 * 2 / 4) - input), input.tanh());
        }
        tanh(((8 - 4 / 5) * sin(input + x) * 0.05)) + input * 0.5
    }
    pub fn program_20<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = x.tanh();
        let y = tanh(self.up.forward(x));
        let block = 3;
        let (mut x, y) = ((x + tanh(y)), (2 * y * 0.05));
        let a = (3 * (block + 1 / 4) / 2);
        let block = (7 + (2 * 5 / 2) / 5);
        let (mut block, x) = ((0.05 * x * (block * 4 / 5) - x), (5 * y * 0.05));
        for y in &self.blocks {
            block = (0.05 * input * (a * 1 / 4) - (0.05 * block * (8 * a / 5) - input));
            block = (-x * sigmoid(y.forward(x)));
            let mut block = self.up.forward(tanh(block));
        }
        tanh(self.up.forward(sin(y + x))) + input * 0.5
    }
    pub fn program_21<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = (input + tanh(self.up.forward(input)));
        x = sin(tanh(x) + input);
        for a in &self.pairs {
            x = sin(input.tanh() + input);
            let mut y = (6 * (-input * sigmoid(x)) * 0.05);
            x = x.tanh();
        }
        x = sin((0.05 * input * 3 - x) + x);
        let (mut y, x) = ((-x * sigmoid(x)), (x + tanh(input)));
        let (mut block, x) = ((0.05 * input * 2 - y), self.up.forward(input));
        for block in &self.blocks {
            y = (8 * input.tanh() * 0.05);
            let mut x = y.tanh();
            let mut block = y.tanh();
            y = (-input * sigmoid((-input * sigmoid(block))));
        }
        tanh(tanh(x.tanh())) + input * 0.5
    }
    pub fn program_22<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let mut a = self.up.forward((0.05 * input * (7 + 9 / 5) - input));
        let block = (3 * self.up.forward(input) * 0.05);
        a = sin(sin(block + block) + input);
        let mut a = (block + tanh(self.up.forward(input)));
        for a in &self.inner {
            x = (0.05 * x * 1 - tanh(x));
            let a = (7 + (8 * 1 / 3) / 5);
        }
        tanh(block.tanh()) + input * 0.5
    }
    pub fn program_23<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let (mut block, x) = (tanh(input), ((3 * 5 / 4) * input * 0.05));
        let y = sin(((5 + 9 / 4) * input * 0.05) + x);
        block = sin(tanh(input) + y);
        block = (0.05 * x * (3 * 6 / 4) - tanh(input));
        for y in &self.inner {
            block = sin((0.05 * block * (4 * 4 / 4) - x) + block);
            let y = input.tanh();
            block = self.up.forward(((4 - 7 / 2) * y * 0.05));
            block = (x + tanh(input.tanh()));
        }
        tanh(tanh((-input * sigmoid(block)))) + input * 0.5
    }
    pub fn program_24<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let block = (0.05 * input * (8 * 3 / 4) - tanh(x));
        x = (-x * sigmoid(tanh(x)));
        let x = (7 * 8 / 4);
        let a = x;
        let (mut block, x) = (tanh(input), (-block * sigmoid(block)));
        let mut y = tanh(x.tanh());
        for a in &self.blocks {
            y = ((4 - 4 / 3) * sin(y + x) * 0.05);
            let block = ((7 + 9 / 2) * a.forward(block) * 0.05);
            let (mut block, x) = (sin(input + input), tanh(block));
            y = (0.05 * block * 9 - a.forward(x));
        }
        tanh(sin((input + tanh(block)) + y)) + input * 0.5
    }
    pub fn program_25<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let x = (4 * x.tanh() * 0.05);
        let a = 4;
        let x = (-x * sigmoid(sin(input + x)));
        let a = a;
        tanh((x + tanh(sin(x + x)))) + input * 0.5
    }
    pub fn program_26<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = (0.05 * x * (2 + 6 / 2) - tanh(x));
        let block = 6;
        x = self.up.forward(sin(x + input));
        let block = block;
        x = self.up.forward(((9 * 2 / 2) * x * 0.05));
        x = (0.05 * input * block - (8 * x * 0.05));
        for y in &self.inner {
            x = y.forward((0.05 * x * (7 - block / 4) - x));
            x = x.tanh();
            x = (0.05 * x * block - self.up.forward(x));
            x = (3 * (-input * sigmoid(input)) * 0.05);
            x = self.up.forward(input.tanh());
        }
        for y in &self.pairs {
            x = (0.05 * x * block - (0.05 * x * block - input));
            x = tanh(self.up.forward(x));
            x = input.tanh();
            let (mut a, x) = y.forward(sin(input + x));
            a = ((5 + 4 / 2) * (-input * sigmoid(x)) * 0.05);
        }
        tanh(self.up.forward(sin(x + input))) + input * 0.5
    }
    pub fn program_27<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let a = (3 - 2 / 4);
        let a = (x + tanh(sin(x + input)));
        let (mut x, y) = ((7 * x * 0.05), sin(input + a));
        x = tanh((a + tanh(y)));
        let mut block = (-input * sigmoid(tanh(x)));
        let block = (5 * (y + tanh(input)) * 0.05);
        let block = (0.05 * block * 5 - (a + tanh(input)));
        for y in &self.pairs {
            x = self.up.forward((0.05 * input * 7 - a));
            let mut y = (-block * sigmoid(input.tanh()));
        }
        tanh((0.05 * input * 1 - block.tanh())) + input * 0.5
    }
    pub fn program_28<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let a = (-input * sigmoid((7 * x * 0.05)));
        let (mut a, x) = (((5 * 5 / 2) * x * 0.05), (-input * sigmoid(input)));
        let a = x.tanh();
        tanh(sin(sin(input + a) + input)) + input * 0.5
    }
    pub fn program_29<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let mut a = sin(self.up.forward(input) + input);
        let (mut x, y) = (self.up.forward(input), (0.05 * input * (6 + 3 / 3) - x));
        a = (0.05 * y * (6 * 2 / 2) - ((9 + 2 / 3) * y * 0.05));
        for y in &self.pairs {
            a = (0.05 * x * 6 - input.tanh());
            let (mut a, x) = y.forward(tanh(input));
            a = input.tanh();
            let (mut y, x) = y.forward(self.up.forward(a));
        }
        tanh(self.up.forward((-x * sigmoid(input)))) + input * 0.5
    }
    pub fn program_30<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let x = 9;
        let mut x = tanh((0.05 * input * (5 - 8 / 3) - input));
        let x = tanh(((3 - 4 / 5) * input * 0.05));
        tanh((-input * sigmoid(self.up.forward(x)))) + input * 0.5
    }
    pub fn program_31<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let x = (7 - (3 * 6 / 5) / 3);
        tanh(self.up.forward((0.05 * input * x - input))) + input * 0.5
    }
    pub fn all<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let (mut y, _) = (self.up.forward(input), input);
        for block in &self.blocks {
            y = block.forward(y);
        }
        for block in &self.inner {
            y = block.forward(y);
        }
        for pair in &self.pairs {
            let (a, b) = pair.forward(y);
            y = a + b;
        }
        y
    }
}
}

programs! {
    program_0 program_0_saving program_0_backward
    program_1 program_1_saving program_1_backward
    program_2 program_2_saving program_2_backward
    program_3 program_3_saving program_3_backward
    program_4 program_4_saving program_4_backward
    program_5 program_5_saving program_5_backward
    program_6 program_6_saving program_6_backward
    program_7 program_7_saving program_7_backward
    program_8 program_8_saving program_8_backward
    program_9 program_9_saving program_9_backward
    program_10 program_10_saving program_10_backward
    program_11 program_11_saving program_11_backward
    program_12 program_12_saving program_12_backward
    program_13 program_13_saving program_13_backward
    program_14 program_14_saving program_14_backward
    program_15 program_15_saving program_15_backward
    program_16 program_16_saving program_16_backward
    program_17 program_17_saving program_17_backward
    program_18 program_18_saving program_18_backward
    program_19 program_19_saving program_19_backward
    program_20 program_20_saving program_20_backward
    program_21 program_21_saving program_21_backward
    program_22 program_22_saving program_22_backward
    program_23 program_23_saving program_23_backward
    program_24 program_24_saving program_24_backward
    program_25 program_25_saving program_25_backward
    program_26 program_26_saving program_26_backward
    program_27 program_27_saving program_27_backward
    program_28 program_28_saving program_28_backward
    program_29 program_29_saving program_29_backward
    program_30 program_30_saving program_30_backward
    program_31 program_31_saving program_31_backward
}
