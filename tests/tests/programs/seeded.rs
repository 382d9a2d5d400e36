// Written by `generator.rs`: `WRITE_PROGRAMS=1 cargo test -p ivon-tests --test programs`.
both! {
impl Net {
    pub fn program_0<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let mut x = max(input, x.tanh());
        let mut y = sin((x + tanh(input)) + input);
        x = (y + tanh(x.tanh()));
        for a in &self.pairs {
            x = ((-y * sigmoid(input)) - y.mean_keep(1));
            let (mut a, x) = a.forward((-input * sigmoid(x)));
            let (mut a, x) = ((0.05 * y * 5 - a), (input + tanh(y)));
        }
        tanh(select(gt(input, (y + tanh(x))), input, (y + tanh(x)))) + input * 0.5
    }
    pub fn program_1<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let (mut block, x) = (((1 + 7 / 4) * input * 0.05), select(gt(x, x), x, x));
        let y = (7 - 1 / 5);
        let y = 8;
        for y in &self.pairs {
            block = (0.05 * x * 3 - (input * block.max_keep(-1)));
            let mut y = (x * x.max_keep(-1));
            let mut y = (-y * sigmoid(self.up.forward(x)));
            let x = 9;
        }
        tanh(input.unsqueeze(1).squeeze(-2)) + input * 0.5
    }
    pub fn program_2<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let a = (-x * sigmoid((9 * x * 0.05)));
        let y = (7 * max(a, a) * 0.05);
        let a = self.up.forward((a.logsumexp_keep(-1) * 0.05 + x));
        for y in &self.inner {
            x = self.up.forward((input - a.mean_keep(1)));
            let block = self.up.forward(input.tanh());
            x = max(x, max(x, input));
            x = (input * block.max_keep(-1));
        }
        tanh((a * input.max_keep(-1))) + input * 0.5
    }
    pub fn program_3<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let (mut y, x) = (select(gt(x, input), x, input), input.unsqueeze(1).squeeze(-2));
        let (mut x, y) = (sin(y + input), (-x * sigmoid(y)));
        let (mut a, x) = ((y + tanh(y)), ((1 * 9 / 5) * y * 0.05));
        for x in &self.blocks {
            a = max(a, max(y, y));
            a = (-y * sigmoid(self.up.forward(input)));
        }
        a = ((-x * sigmoid(a)) - input.mean_keep(1));
        a = (3 * (y * x.max_keep(-1)) * 0.05);
        for y in &self.blocks {
            a = max(x, a.tanh());
            let block = 5;
            let mut a = input.tanh();
            let block = 7;
        }
        tanh((0.05 * input * (5 * 3 / 5) - (y.logsumexp_keep(-1) * 0.05 + input))) + input * 0.5
    }
    pub fn program_4<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let x = (x + tanh(x.tanh()));
        let mut x = sin(tanh(input) + input);
        for a in &self.inner {
            x = max(input, (0.05 * input * 6 - x));
            for y in &self.blocks {
                x = sin((-input * sigmoid(input)) + input);
                x = x.unsqueeze(1).squeeze(-2);
            }
            let (mut block, x) = ((x * x.max_keep(-1)), tanh(input));
            let x = (3 + (7 * 1 / 2) / 4);
            block = tanh((-input * sigmoid(input)));
        }
        let x = (2 * self.up.forward(x) * 0.05);
        tanh((0.05 * input * 4 - (4 * x * 0.05))) + input * 0.5
    }
    pub fn program_5<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = tanh(sin(input + x));
        for block in &self.pairs {
            x = (4 * (x.logsumexp_keep(-1) * 0.05 + input) * 0.05);
            let block = (3 * (5 + 8 / 4) / 5);
            x = sin((-x * sigmoid(x)) + x);
            let x = block;
            let a = (-input * sigmoid(tanh(input)));
        }
        x = tanh(tanh(x));
        x = ((x + tanh(x)) - x.mean_keep(1));
        x = input.unsqueeze(1).squeeze(-2);
        x = (-x * sigmoid(sin(x + input)));
        for block in &self.blocks {
            x = tanh((0.05 * input * (8 * 7 / 4) - x));
            x = (0.05 * x * (1 - 8 / 5) - max(input, input));
            let mut y = block.forward((x - input.mean_keep(1)));
            let (mut x, y) = (max(y, y), max(y, input));
            x = tanh(((1 * 4 / 5) * x * 0.05));
        }
        tanh(x.unsqueeze(1).squeeze(-2)) + input * 0.5
    }
    pub fn program_6<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let (mut y, x) = ((input + tanh(input)), (input - x.mean_keep(1)));
        let mut y = (-y * sigmoid((y * y.max_keep(-1))));
        let x = 9;
        y = (4 * (y.logsumexp_keep(-1) * 0.05 + y) * 0.05);
        y = tanh((-y * sigmoid(input)));
        for block in &self.pairs {
            y = (input.logsumexp_keep(-1) * 0.05 + (input + tanh(input)));
            for x in &self.pairs {
                y = y.unsqueeze(1).squeeze(-2);
                y = (y.logsumexp_keep(-1) * 0.05 + (8 * input * 0.05));
            }
        }
        tanh(tanh(input.unsqueeze(1).squeeze(-2))) + input * 0.5
    }
    pub fn program_7<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let mut x = x.unsqueeze(1).squeeze(-2);
        x = (input * input.max_keep(-1));
        let (mut a, x) = (((3 - 2 / 2) * x * 0.05), (-x * sigmoid(x)));
        a = (select(gt(input, a), input, a) - a.mean_keep(1));
        for block in &self.blocks {
            a = block.forward(input.unsqueeze(1).squeeze(-2));
            let a = 5;
            let (mut a, x) = (select(gt(input, input), input, input), (x - x.mean_keep(1)));
        }
        for block in &self.inner {
            a = (x * input.max_keep(-1));
            let mut a = sin(self.up.forward(x) + x);
            let (mut block, x) = (a.unsqueeze(1).squeeze(-2), (-input * sigmoid(a)));
        }
        tanh(input.unsqueeze(1).squeeze(-2)) + input * 0.5
    }
    pub fn program_8<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        for a in &self.blocks {
            x = select(gt(x, a.forward(x)), x, a.forward(x));
            let (mut a, x) = (a.forward(x), a.forward(input));
            let mut y = (input.logsumexp_keep(-1) * 0.05 + (x + tanh(input)));
            y = (input.logsumexp_keep(-1) * 0.05 + (input - x.mean_keep(1)));
        }
        x = max(input, tanh(x));
        x = x.unsqueeze(1).squeeze(-2);
        x = x.tanh();
        let x = 7;
        tanh(sin((input - input.mean_keep(1)) + input)) + input * 0.5
    }
    pub fn program_9<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = (input * x.max_keep(-1));
        x = max(input, (1 * x * 0.05));
        let mut a = max(input, (x + tanh(input)));
        let mut block = tanh(max(a, a));
        x = a.unsqueeze(1).squeeze(-2);
        a = tanh(tanh(block));
        for block in &self.inner {
            x = select(gt(a, self.up.forward(a)), a, self.up.forward(a));
            x = (-x * sigmoid((x.logsumexp_keep(-1) * 0.05 + input)));
            let x = max(input, (0.05 * input * 3 - a));
        }
        tanh((x + tanh(self.up.forward(input)))) + input * 0.5
    }
    pub fn program_10<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let (mut a, x) = (input.unsqueeze(1).squeeze(-2), max(input, x));
        let x = 2;
        let x = max(a, input.tanh());
        a = (a.logsumexp_keep(-1) * 0.05 + (a + tanh(x)));
        for block in &self.inner {
            a = ((x.logsumexp_keep(-1) * 0.05 + a) - a.mean_keep(1));
            let y = (input * a.max_keep(-1));
            let block = y.unsqueeze(1).squeeze(-2);
            let mut block = tanh((1 * input * 0.05));
        }
        tanh(self.up.forward(tanh(input))) + input * 0.5
    }
    pub fn program_11<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let mut y = select(gt(input, select(gt(input, input), input, input)), input, select(gt(input, input), input, input));
        let mut y = (x + tanh(y.tanh()));
        x = (0.05 * x * (8 * 9 / 5) - tanh(x));
        y = (sin(x + input) - x.mean_keep(1));
        x = tanh((0.05 * x * (8 + 7 / 2) - x));
        let y = max(y, tanh(y));
        for block in &self.pairs {
            x = (0.05 * x * (2 + 3 / 4) - (input - y.mean_keep(1)));
            x = (y.logsumexp_keep(-1) * 0.05 + select(gt(input, y), input, y));
            for a in &self.blocks {
                x = input.tanh();
                x = a.forward((input * input.max_keep(-1)));
                let (mut block, x) = block.forward((input * x.max_keep(-1)));
            }
            let x = (7 + (7 + 5 / 5) / 3);
        }
        tanh((max(input, x) - y.mean_keep(1))) + input * 0.5
    }
    pub fn program_12<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = (0.05 * x * 6 - (input * x.max_keep(-1)));
        x = tanh(max(x, x));
        x = max(x, input.tanh());
        x = select(gt(input, (x * x.max_keep(-1))), input, (x * x.max_keep(-1)));
        for block in &self.inner {
            x = (x.logsumexp_keep(-1) * 0.05 + tanh(x));
            x = (0.05 * input * 7 - block.forward(input));
            x = (-input * sigmoid(self.up.forward(input)));
        }
        let block = (x + tanh(tanh(input)));
        for a in &self.pairs {
            x = max(x, sin(input + x));
            let (mut x, y) = a.forward((block * block.max_keep(-1)));
        }
        tanh((block * x.max_keep(-1))) + input * 0.5
    }
    pub fn program_13<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = (x * input.max_keep(-1));
        for a in &self.inner {
            x = self.up.forward(select(gt(input, input), input, input));
            x = sin(tanh(x) + x);
            let a = a.forward((x - x.mean_keep(1)));
        }
        let (mut y, x) = ((-x * sigmoid(input)), (x.logsumexp_keep(-1) * 0.05 + input));
        for x in &self.pairs {
            y = (-y * sigmoid(sin(y + y)));
            let block = (-input * sigmoid((y + tanh(input))));
        }
        tanh(select(gt(y, (0.05 * input * (4 * 3 / 3) - y)), y, (0.05 * input * (4 * 3 / 3) - y))) + input * 0.5
    }
    pub fn program_14<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let mut a = ((-input * sigmoid(x)) - x.mean_keep(1));
        x = (-x * sigmoid(max(input, input)));
        a = tanh(tanh(input));
        let (mut a, x) = (((3 + 7 / 4) * x * 0.05), (x.logsumexp_keep(-1) * 0.05 + x));
        a = select(gt(x, max(x, x)), x, max(x, x));
        let x = (1 * (5 + 9 / 3) / 3);
        for y in &self.inner {
            a = ((4 - x / 5) * input.tanh() * 0.05);
            a = (input.logsumexp_keep(-1) * 0.05 + y.forward(input));
            let x = select(gt(a, input.tanh()), a, input.tanh());
            a = input.tanh();
            a = max(x, (input.logsumexp_keep(-1) * 0.05 + input));
        }
        tanh(((input + tanh(a)) - input.mean_keep(1))) + input * 0.5
    }
    pub fn program_15<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let x = 5;
        let mut block = (input * input.max_keep(-1));
        let (mut block, x) = (sin(block + block), self.up.forward(input));
        for x in &self.pairs {
            block = select(gt(block, (-block * sigmoid(block))), block, (-block * sigmoid(block)));
            let (mut x, y) = x.forward((input + tanh(block)));
            for y in &self.pairs {
                block = (input * block.max_keep(-1));
                let (mut a, x) = y.forward(sin(input + x));
                a = (0.05 * a * 7 - (-block * sigmoid(x)));
            }
        }
        tanh((self.up.forward(x) - input.mean_keep(1))) + input * 0.5
    }
    pub fn program_16<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = x.tanh();
        let y = (0.05 * x * 7 - (x.logsumexp_keep(-1) * 0.05 + x));
        for y in &self.inner {
            x = sin((-input * sigmoid(x)) + x);
            x = tanh(y.forward(x));
            x = sin(tanh(x) + input);
            let x = (4 - 9 / 5);
        }
        for y in &self.inner {
            x = self.up.forward((-input * sigmoid(x)));
            let x = (x * input.max_keep(-1));
            let a = 5;
        }
        tanh(self.up.forward(self.up.forward(x))) + input * 0.5
    }
    pub fn program_17<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = select(gt(input, tanh(input)), input, tanh(input));
        x = (-input * sigmoid(sin(input + x)));
        x = max(x, max(x, input));
        x = select(gt(x, ((7 + 6 / 2) * x * 0.05)), x, ((7 + 6 / 2) * x * 0.05));
        let (mut a, x) = ((x.logsumexp_keep(-1) * 0.05 + x), self.up.forward(input));
        a = self.up.forward(max(input, x));
        let mut a = self.up.forward(select(gt(x, x), x, x));
        for x in &self.blocks {
            a = max(a, select(gt(input, input), input, input));
            let mut y = self.up.forward((a.logsumexp_keep(-1) * 0.05 + input));
            let y = (4 - (4 * 1 / 4) / 3);
        }
        tanh(input.unsqueeze(1).squeeze(-2)) + input * 0.5
    }
    pub fn program_18<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = sin(input.tanh() + x);
        x = (5 * (0.05 * input * 8 - input) * 0.05);
        x = ((3 - 7 / 4) * input.unsqueeze(1).squeeze(-2) * 0.05);
        for block in &self.blocks {
            x = select(gt(x, (input * x.max_keep(-1))), x, (input * x.max_keep(-1)));
            let y = (input.logsumexp_keep(-1) * 0.05 + (x * input.max_keep(-1)));
        }
        tanh(max(x, select(gt(input, x), input, x))) + input * 0.5
    }
    pub fn program_19<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = (-x * sigmoid((input + tanh(x))));
        x = self.up.forward((8 * x * 0.05));
        x = (-x * sigmoid((x + tanh(input))));
        x = max(input, select(gt(x, x), x, x));
        for y in &self.blocks {
            x = (-x * sigmoid(y.forward(x)));
            x = sin(select(gt(x, x), x, x) + x);
            x = select(gt(x, x.unsqueeze(1).squeeze(-2)), x, x.unsqueeze(1).squeeze(-2));
            let (mut x, y) = ((x - x.mean_keep(1)), tanh(x));
        }
        tanh((x * x.max_keep(-1))) + input * 0.5
    }
    pub fn program_20<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = (0.05 * x * (7 + 9 / 3) - max(x, x));
        let (mut a, x) = (sin(x + x), (1 * x * 0.05));
        let a = (5 * (3 * 9 / 5) / 4);
        let (mut a, x) = ((input - input.mean_keep(1)), sin(x + input));
        let x = select(gt(x, (x - a.mean_keep(1))), x, (x - a.mean_keep(1)));
        let (mut x, y) = (self.up.forward(x), x.unsqueeze(1).squeeze(-2));
        x = select(gt(a, (4 * y * 0.05)), a, (4 * y * 0.05));
        for block in &self.inner {
            a = (0.05 * a * 7 - y.tanh());
            a = (x * input.max_keep(-1));
        }
        tanh(x.unsqueeze(1).squeeze(-2)) + input * 0.5
    }
    pub fn program_21<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = sin(sin(input + input) + x);
        let mut y = (9 * x.unsqueeze(1).squeeze(-2) * 0.05);
        for a in &self.inner {
            x = select(gt(x, (-y * sigmoid(input))), x, (-y * sigmoid(input)));
            let y = (-input * sigmoid((y - x.mean_keep(1))));
            let a = 5;
            x = (input + tanh(y.tanh()));
            let a = sin(self.up.forward(x) + y);
        }
        let mut a = (0.05 * input * 3 - select(gt(x, x), x, x));
        let y = select(gt(x, (x + tanh(x))), x, (x + tanh(x)));
        x = self.up.forward(max(a, a));
        for y in &self.inner {
            x = tanh(tanh(input));
            let (mut y, x) = ((0.05 * input * 7 - x), tanh(input));
        }
        tanh(((-input * sigmoid(x)) - y.mean_keep(1))) + input * 0.5
    }
    pub fn program_22<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let a = (0.05 * input * 6 - (0.05 * x * 1 - input));
        let a = 2;
        let (mut x, y) = ((0.05 * x * 6 - x), (input.logsumexp_keep(-1) * 0.05 + x));
        let (mut block, x) = ((-input * sigmoid(x)), select(gt(input, input), input, input));
        for y in &self.blocks {
            block = tanh(sin(block + input));
            let y = tanh(input.unsqueeze(1).squeeze(-2));
        }
        tanh(input.unsqueeze(1).squeeze(-2)) + input * 0.5
    }
    pub fn program_23<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let (mut block, x) = ((0.05 * input * 5 - x), (0.05 * x * (9 - 1 / 2) - x));
        let x = (5 + 9 / 4);
        block = (block.logsumexp_keep(-1) * 0.05 + (input - input.mean_keep(1)));
        block = tanh(select(gt(input, input), input, input));
        for a in &self.pairs {
            block = (input * input.max_keep(-1));
            block = (x * select(gt(input, input), input, input) * 0.05);
        }
        tanh(select(gt(block, input.unsqueeze(1).squeeze(-2)), block, input.unsqueeze(1).squeeze(-2))) + input * 0.5
    }
    pub fn program_24<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let block = (input * input.max_keep(-1));
        x = select(gt(input, (x + tanh(input))), input, (x + tanh(input)));
        let (mut x, y) = ((x.logsumexp_keep(-1) * 0.05 + x), (input - block.mean_keep(1)));
        x = block.unsqueeze(1).squeeze(-2);
        x = tanh(sin(block + input));
        x = (block + tanh(tanh(input)));
        for block in &self.pairs {
            x = (7 * sin(x + x) * 0.05);
            let (mut block, x) = block.forward(sin(input + y));
            block = (y * y.max_keep(-1));
        }
        tanh((0.05 * y * (9 - 4 / 3) - (0.05 * input * 1 - y))) + input * 0.5
    }
    pub fn program_25<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let x = max(x, select(gt(input, x), input, x));
        let a = 4;
        let x = ((x - input.mean_keep(1)) - x.mean_keep(1));
        let a = a;
        tanh(sin((x * x.max_keep(-1)) + x)) + input * 0.5
    }
    pub fn program_26<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = (x * input.max_keep(-1));
        x = input.unsqueeze(1).squeeze(-2);
        x = (x * input.max_keep(-1));
        x = select(gt(x, (input + tanh(x))), x, (input + tanh(x)));
        let mut a = tanh(x.tanh());
        let (mut y, x) = ((a - input.mean_keep(1)), select(gt(input, x), input, x));
        for x in &self.pairs {
            y = (0.05 * input * 3 - (input.logsumexp_keep(-1) * 0.05 + a));
            a = tanh((input + tanh(a)));
            a = input.unsqueeze(1).squeeze(-2);
            y = select(gt(a, (2 * a * 0.05)), a, (2 * a * 0.05));
            a = max(input, (a * a.max_keep(-1)));
        }
        for block in &self.pairs {
            y = (-x * sigmoid(self.up.forward(a)));
            y = (input.logsumexp_keep(-1) * 0.05 + sin(a + input));
            for block in &self.inner {
                a = (-a * sigmoid(tanh(x)));
                let (mut a, x) = (((9 - 8 / 4) * input * 0.05), (-y * sigmoid(a)));
                y = a.tanh();
                let (mut a, x) = (max(input, x), input.unsqueeze(1).squeeze(-2));
            }
        }
        tanh(tanh(sin(input + a))) + input * 0.5
    }
    pub fn program_27<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let a = (3 - 2 / 4);
        let a = (-x * sigmoid(sin(x + input)));
        let (mut x, y) = ((x.logsumexp_keep(-1) * 0.05 + input), tanh(a));
        x = (-y * sigmoid((-y * sigmoid(a))));
        x = (input + tanh(x.unsqueeze(1).squeeze(-2)));
        x = sin(tanh(x) + y);
        let y = (a.logsumexp_keep(-1) * 0.05 + (0.05 * y * 5 - a));
        for block in &self.pairs {
            x = ((x.logsumexp_keep(-1) * 0.05 + x) - input.mean_keep(1));
            x = (select(gt(y, y), y, y) - x.mean_keep(1));
        }
        tanh(input.unsqueeze(1).squeeze(-2)) + input * 0.5
    }
    pub fn program_28<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let a = (input.logsumexp_keep(-1) * 0.05 + (-input * sigmoid(x)));
        let y = (input * a.max_keep(-1));
        for a in &self.inner {
            x = (0.05 * input * (1 + 7 / 2) - (0.05 * x * (2 + 6 / 2) - x));
            let (mut block, x) = ((y * x.max_keep(-1)), (0.05 * y * (9 - 8 / 3) - input));
            let (mut block, x) = (input.tanh(), self.up.forward(x));
            let block = 9;
        }
        let x = (7 + 4 / 2);
        tanh((input * a.max_keep(-1))) + input * 0.5
    }
    pub fn program_29<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let mut a = (-x * sigmoid((0.05 * input * 1 - input)));
        let (mut a, x) = (input.tanh(), select(gt(x, a), x, a));
        let a = 5;
        tanh(input.tanh()) + input * 0.5
    }
    pub fn program_30<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let x = 9;
        let mut x = (input * input.max_keep(-1));
        x = (0.05 * x * (6 * 6 / 2) - max(input, input));
        for y in &self.inner {
            x = self.up.forward((x * input.max_keep(-1)));
            let (mut block, x) = ((input * x.max_keep(-1)), input.unsqueeze(1).squeeze(-2));
            let a = 4;
            let a = (a - (5 * 5 / 3) / 3);
            for a in &self.blocks {
                block = (x * block.max_keep(-1));
                block = ((-block * sigmoid(x)) - x.mean_keep(1));
                let (mut block, x) = (self.up.forward(block), (-x * sigmoid(block)));
            }
        }
        tanh(tanh(input.unsqueeze(1).squeeze(-2))) + input * 0.5
    }
    pub fn program_31<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let x = (7 - (3 * 6 / 5) / 3);
        tanh(self.up.forward(select(gt(input, input), input, input))) + input * 0.5
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
