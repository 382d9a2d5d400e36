// Written by `generator.rs`: `WRITE_PROGRAMS=1 cargo test -p ivon-tests --test programs`.
both! {
impl Net {
    pub fn program_0<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = select(gt(x, (-input * sigmoid(x))), x, (-input * sigmoid(x)));
        let (mut a, x) = (max(x, x), (0.05 * input * 7 - input));
        if self.flag {
            a = a.tanh();
            if self.flag && !self.other {
                a = (input + tanh(self.more[2 - 2].forward(input)));
            }
        }
        for x in self.inner.iter().rev() {
            a = ((0.05 * a * 5 - input) - a.mean_keep(1));
            let x = self.more[2 - 0].forward(input);
            for block in &self.pairs {
                a = (input + tanh(sin(input + input)));
                if self.flag || self.other {
                    a = (input + tanh((x + tanh(input))));
                    a = self.up.forward(a.unsqueeze(1).squeeze(-2));
                } else {
                    let y = (x.logsumexp_keep(-1) * 0.05 + tanh(a));
                }
            }
            for (i, x) in self.blocks.iter().enumerate().rev() {
                a = self.up.forward(input.unsqueeze(1).squeeze(-2));
                if self.flag && !self.other {
                    a = x.forward(a.tanh());
                    a = x.forward(tanh(input));
                }
                let x = 4;
                let mut block = (a + tanh(self.blocks[i].forward(a)));
                let y = x;
            }
            let block = if self.flag && !self.other { (x + tanh(input)) } else { (x + tanh(a)) };
        }
        tanh(tanh(self.more[2 - 1].forward(input))) + input * 0.5
    }
    pub fn program_1<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = tanh((2 * x * 0.05));
        x = (x.logsumexp_keep(-1) * 0.05 + self.more[2 - 0].forward(input));
        if let Some(y) = &self.absent {
            x = (x.logsumexp_keep(-1) * 0.05 + (0.05 * input * (3 * 4 / 2) - input));
        }
        for (i, block) in self.blocks.iter().enumerate() {
            x = (-input * sigmoid(((8 + 9 / 4) * input * 0.05)));
            x = x.unsqueeze(1).squeeze(-2);
        }
        tanh(max(x, (x - x.mean_keep(1)))) + input * 0.5
    }
    pub fn program_2<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let (mut a, x) = (max(x, input), (input + tanh(x)));
        a = max(x, x.tanh());
        a = (0.05 * x * (6 + 2 / 5) - max(x, input));
        for (i, x) in self.blocks.iter().enumerate() {
            a = (select(gt(a, input), a, input) - input.mean_keep(1));
            let mut innermost_list = Vec::new();
            for i in 0..3 {
                a = x.forward((a.logsumexp_keep(-1) * 0.05 + input));
                a = a.unsqueeze(1).squeeze(-2);
                innermost_list.push(tanh(a.unsqueeze(1).squeeze(-2)));
            }
            for item in innermost_list.iter().rev() {
                let item = *item;
                a = (-a * sigmoid(input)) + 0.1 * innermost_list[2] * item;
                a = (item.logsumexp_keep(-1) * 0.05 + item.unsqueeze(1).squeeze(-2));
                let mut x = ((0.05 * a * 8 - item) - a.mean_keep(1));
            }
            a = tanh(a + innermost_list[0]);
            a = (a * a.max_keep(-1));
            let (mut block, x) = (sin(input + a), (-a * sigmoid(a)));
            for x in &self.inner {
                block = x.forward(self.up.forward(block));
                let mut block = x.forward(self.up.forward(block));
                a = (input * a.max_keep(-1));
                block = sin((a * input.max_keep(-1)) + block);
                let mut block = max(a, select(gt(block, input), block, input));
            }
        }
        tanh((input * input.max_keep(-1))) + input * 0.5
    }
    pub fn program_3<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        if let Some(y) = &self.absent {
            x = self.up.forward(input.tanh());
            x = self.up.forward((x * input.max_keep(-1)));
        } else {
            let block = (3 * tanh(x) * 0.05);
        }
        x = (input.logsumexp_keep(-1) * 0.05 + tanh(x));
        let (mut x, y) = (tanh(x), sin(input + input));
        let (mut a, x) = ((x + tanh(y)), (-y * sigmoid(x)));
        a = (self.more[2 - 1].forward(y) - x.mean_keep(1));
        if let Some(x) = &self.absent {
            a = self.up.forward((input - y.mean_keep(1)));
            let mut inner_list = Vec::new();
            for i in 0..3 {
                a = (0.1 * i as f64 * x.forward(y));
                inner_list.push(tanh(sin(a + input)));
            }
            for item in inner_list.iter().rev() {
                let item = *item;
                a = ((2 * 2 / 5) * input * 0.05) + 0.1 * inner_list[2] * item;
                a = (-y * sigmoid((input * a.max_keep(-1))));
            }
            a = tanh(a + inner_list[0]);
        }
        for (down, block) in self.blocks.iter().zip(self.more.iter().rev()) {
            a = (input * x.max_keep(-1));
            let mut a = self.more[2 - 1].forward(y);
            a = select(gt(y, tanh(input)), y, tanh(input));
            a = tanh((0.05 * input * 4 - a));
            let block = 2;
        }
        tanh(sin(x.unsqueeze(1).squeeze(-2) + input)) + input * 0.5
    }
    pub fn program_4<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let (mut x, y) = (max(x, input), max(x, input));
        for block in &self.inner {
            x = self.up.forward((0.05 * input * (2 * 4 / 4) - input));
            let x = block.forward((x - input.mean_keep(1)));
            let y = (y * input.max_keep(-1));
        }
        x = ((y + tanh(x)) - y.mean_keep(1));
        let block = tanh((input + tanh(input)));
        let (mut block, x) = ((0.05 * y * 1 - input), (0.05 * block * 6 - input));
        let (mut a, x) = (self.up.forward(input), self.more[2 - 2].forward(y));
        for (i, x) in self.blocks.iter().enumerate().rev() {
            block = max(block, (y * a.max_keep(-1)));
            let block = if self.flag { (block - y.mean_keep(1)) } else { max(a, y) };
            if let Some(x) = &self.present {
                a = (block.logsumexp_keep(-1) * 0.05 + select(gt(y, a), y, a));
                let (mut y, x) = (x.forward(a), tanh(block));
            } else {
                a = block.tanh();
            }
            let mut innermost_list = Vec::new();
            for i in 0..3 {
                a = self.up.forward(block.unsqueeze(1).squeeze(-2));
                let a = (input * input.max_keep(-1));
                innermost_list.push(tanh(input.unsqueeze(1).squeeze(-2)));
            }
            for item in innermost_list.iter().rev() {
                let item = *item;
                a = tanh(block) + 0.1 * innermost_list[2] * item;
                a = (self.up.forward(input) - item.mean_keep(1));
                a = self.up.forward(self.blocks[i].forward(item));
            }
            a = tanh(a + innermost_list[0]);
            a = (0.05 * a * 6 - (y - a.mean_keep(1)));
        }
        tanh(max(y, (y - input.mean_keep(1)))) + input * 0.5
    }
    pub fn program_5<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let mut inner_list = Vec::new();
        for i in 0..3 {
            x = (0.05 * x * 2 - (input - x.mean_keep(1)));
            let block = if self.flag && !self.other { (input - x.mean_keep(1)) } else { tanh(x) };
            inner_list.push(tanh((-x * sigmoid(block))));
        }
        for (j, item) in inner_list.iter().enumerate() {
            let item = *item;
            x = (input - item.mean_keep(1)) + 0.1 * inner_list[2] * item;
            let block = (item + tanh(item.tanh()));
        }
        x = tanh(x + inner_list[0]);
        x = (-input * sigmoid((input - input.mean_keep(1))));
        let (mut y, x) = ((input + tanh(input)), max(x, x));
        y = (0.05 * x * 9 - sin(input + y));
        y = self.up.forward((input * x.max_keep(-1)));
        let a = if self.flag { max(x, input) } else { (1 * y * 0.05) };
        for i in 0..3 {
            y = x.tanh();
            let block = self.blocks[i].forward(self.up.forward(input));
            y = self.up.forward((a + tanh(input)));
            let (mut y, x) = ((0.1 * i as f64 * x), (8 * x * 0.05));
        }
        tanh(input.unsqueeze(1).squeeze(-2)) + input * 0.5
    }
    pub fn program_6<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = tanh(tanh(x));
        x = max(x, (input.logsumexp_keep(-1) * 0.05 + input));
        let x = max(input, (input + tanh(input)));
        tanh((x + tanh(tanh(input)))) + input * 0.5
    }
    pub fn program_7<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = sin(self.more[2 - 2].forward(x) + x);
        x = (x * x.max_keep(-1));
        for block in self.pairs.iter().rev() {
            x = max(input, (x - input.mean_keep(1)));
            x = tanh((x - x.mean_keep(1)));
        }
        for y in &self.inner {
            x = self.up.forward(select(gt(input, input), input, input));
            x = select(gt(input, select(gt(input, input), input, input)), input, select(gt(input, input), input, input));
            let (mut y, x) = ((-x * sigmoid(input)), (3 * input * 0.05));
            y = (x.logsumexp_keep(-1) * 0.05 + (x + tanh(input)));
        }
        x = (input + tanh(max(input, x)));
        for y in &self.blocks {
            x = (x.logsumexp_keep(-1) * 0.05 + ((9 + 9 / 4) * input * 0.05));
            if self.flag {
                x = (-input * sigmoid(x.tanh()));
            }
        }
        tanh(self.more[2 - 2].forward(x)) + input * 0.5
    }
    pub fn program_8<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let y = select(gt(input, select(gt(x, input), x, input)), input, select(gt(x, input), x, input));
        if let Some(y) = &self.present {
            x = (6 * (-x * sigmoid(input)) * 0.05);
            x = (max(x, input) - x.mean_keep(1));
        } else {
            for i in 0..0 {
                x = input.unsqueeze(1).squeeze(-2);
                x = max(input, sin(input + x));
                let mut block = (0.1 * i as f64 * y.unsqueeze(1).squeeze(-2));
                let y = (block.logsumexp_keep(-1) * 0.05 + (y - input.mean_keep(1)));
            }
        }
        let mut block = (y + tanh((0.05 * input * 1 - y)));
        if self.flag || self.other {
            block = x.unsqueeze(1).squeeze(-2);
            let (mut block, x) = (self.up.forward(input), (1 * x * 0.05));
        } else {
            x = x.unsqueeze(1).squeeze(-2);
        }
        x = self.up.forward((x.logsumexp_keep(-1) * 0.05 + y));
        for (down, a) in self.blocks.iter().zip(self.more.iter()) {
            block = (input.logsumexp_keep(-1) * 0.05 + tanh(block));
            let (mut block, x) = (y.tanh(), input.tanh());
            let y = (9 * 7 / 5);
            block = (x * x.max_keep(-1));
        }
        tanh((x * block.max_keep(-1))) + input * 0.5
    }
    pub fn program_9<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = self.more[2 - 0].forward(x);
        let (mut y, x) = (max(x, input), max(x, input));
        y = (x + tanh((y + tanh(input))));
        let mut inner_list = Vec::new();
        for i in 0..3 {
            y = y.tanh();
            y = ((4 * 7 / 4) * (y * y.max_keep(-1)) * 0.05);
            inner_list.push(tanh(select(gt(x, y), x, y)));
        }
        for (j, item) in inner_list.iter().enumerate() {
            let item = *item;
            y = y.unsqueeze(1).squeeze(-2) + 0.1 * inner_list[2] * item;
            let block = (-x * sigmoid(max(x, y)));
        }
        y = tanh(y + inner_list[0]);
        y = ((input + tanh(x)) - input.mean_keep(1));
        let mut inner_list = Vec::new();
        for i in 0..3 {
            y = sin(sin(y + input) + y);
            for (i, block) in self.blocks.iter().enumerate() {
                y = block.forward(input.unsqueeze(1).squeeze(-2));
                let (mut block, x) = (max(x, input), block.forward(y));
                y = tanh((y * block.max_keep(-1)));
                y = (input + tanh(self.up.forward(block)));
            }
            inner_list.push(tanh((0.1 * i as f64 * x)));
        }
        for (j, item) in inner_list.iter().enumerate() {
            let item = *item;
            y = (item - x.mean_keep(1)) + 0.1 * inner_list[2] * item;
            let mut a = (input * input.max_keep(-1));
            a = max(input, (-item * sigmoid(item)));
        }
        y = tanh(y + inner_list[0]);
        for x in self.pairs.iter().rev() {
            y = self.more[2 - 1].forward(input);
            let block = if self.flag && !self.other { sin(input + input) } else { (0.05 * input * (8 - 8 / 5) - input) };
            let (mut block, x) = x.forward(self.more[2 - 1].forward(block));
        }
        tanh(self.more[2 - 0].forward(x)) + input * 0.5
    }
    pub fn program_10<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        if self.flag || self.other {
            x = (input + tanh(tanh(input)));
        } else {
            let x = (-x * sigmoid(self.more[2 - 2].forward(x)));
        }
        let block = if self.flag || self.other { (input * x.max_keep(-1)) } else { self.up.forward(x) };
        let x = (7 * select(gt(x, input), x, input) * 0.05);
        let block = if self.flag { (block * x.max_keep(-1)) } else { (input * input.max_keep(-1)) };
        tanh((-x * sigmoid(tanh(x)))) + input * 0.5
    }
    pub fn program_11<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        if self.flag || self.other {
            x = select(gt(input, tanh(x)), input, tanh(x));
            if self.flag {
                x = self.up.forward((input + tanh(x)));
            } else {
                let a = 8;
            }
        } else {
            let mut inner_list = Vec::new();
            for i in 0..3 {
                x = (select(gt(x, input), x, input) - x.mean_keep(1));
                for a in &self.blocks {
                    x = self.up.forward((5 * x * 0.05));
                    let x = if !self.flag { (x * x.max_keep(-1)) } else { (x * x.max_keep(-1)) };
                    let a = a.forward((0.1 * i as f64 * x));
                }
                inner_list.push(tanh((0.05 * input * 2 - x)));
            }
            for item in inner_list.iter().rev() {
                let item = *item;
                x = select(gt(x, x), x, x) + 0.1 * inner_list[2] * item;
                x = select(gt(input, x.tanh()), input, x.tanh());
            }
            x = tanh(x + inner_list[0]);
        }
        let x = if self.flag && !self.other { x.tanh() } else { self.up.forward(input) };
        let x = if !self.flag { (input.logsumexp_keep(-1) * 0.05 + input) } else { (-x * sigmoid(input)) };
        let mut x = select(gt(x, (4 * x * 0.05)), x, (4 * x * 0.05));
        x = (7 * max(x, x) * 0.05);
        x = (input.logsumexp_keep(-1) * 0.05 + (0.05 * x * (8 + 6 / 5) - x));
        for block in &self.pairs {
            x = tanh(input.tanh());
            let mut innermost_list = Vec::new();
            for i in 0..3 {
                x = (tanh(input) - x.mean_keep(1));
                x = max(x, (x + tanh(input)));
                innermost_list.push(tanh(self.blocks[i].forward(x)));
            }
            for item in innermost_list.iter().rev() {
                let item = *item;
                x = (input - input.mean_keep(1)) + 0.1 * innermost_list[2] * item;
                x = ((3 * item * 0.05) - x.mean_keep(1));
                x = sin(x.unsqueeze(1).squeeze(-2) + input);
            }
            x = tanh(x + innermost_list[0]);
            x = (input + tanh(self.up.forward(x)));
            let x = 1;
        }
        tanh(input.unsqueeze(1).squeeze(-2)) + input * 0.5
    }
    pub fn program_12<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let block = (2 - 6 / 2);
        for block in self.pairs.iter().rev() {
            x = self.up.forward((-x * sigmoid(x)));
            let x = 9;
        }
        x = (input + tanh((input * input.max_keep(-1))));
        for y in self.inner.iter().rev() {
            x = self.more[2 - 1].forward(input);
            let block = block;
            let (mut y, x) = (((block * 5 / 2) * input * 0.05), y.forward(x));
            let a = self.up.forward(x.unsqueeze(1).squeeze(-2));
            let mut innermost_list = Vec::new();
            for i in 0..3 {
                y = max(input, (input - a.mean_keep(1)));
                innermost_list.push(tanh((a.logsumexp_keep(-1) * 0.05 + input)));
            }
            for item in innermost_list.iter().rev() {
                let item = *item;
                y = (input + tanh(y)) + 0.1 * innermost_list[2] * item;
                let block = if self.flag { (0.05 * a * block - y) } else { (item + tanh(input)) };
                let mut y = sin((block - item.mean_keep(1)) + item);
            }
            y = tanh(y + innermost_list[0]);
        }
        x = (input * input.max_keep(-1));
        let a = if self.flag && !self.other { x.unsqueeze(1).squeeze(-2) } else { self.more[2 - 0].forward(input) };
        for block in &self.blocks {
            x = block.forward(select(gt(input, input), input, input));
            for block in &self.inner {
                x = tanh(block.forward(a));
                let (mut y, x) = (sin(input + x), (a * x.max_keep(-1)));
                let (mut a, x) = (self.up.forward(a), select(gt(a, input), a, input));
                y = ((-input * sigmoid(a)) - input.mean_keep(1));
                let a = 8;
            }
            x = a.tanh();
            let mut a = ((-a * sigmoid(a)) - input.mean_keep(1));
        }
        tanh(self.more[2 - 1].forward(x)) + input * 0.5
    }
    pub fn program_13<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let mut y = (-input * sigmoid((0.05 * x * (2 * 8 / 4) - input)));
        if self.flag || self.other {
            y = (input + tanh(((9 + 5 / 2) * y * 0.05)));
            if let Some(x) = &self.absent {
                y = x.forward(max(y, input));
            }
        }
        y = (x.logsumexp_keep(-1) * 0.05 + (0.05 * input * 5 - input));
        for a in &self.pairs {
            x = sin(self.more[2 - 1].forward(y) + x);
            y = y.unsqueeze(1).squeeze(-2);
            for i in (0..3).rev() {
                x = select(gt(input, (input - x.mean_keep(1))), input, (input - x.mean_keep(1)));
                let y = if self.flag && !self.other { (0.1 * i as f64 * y) } else { sin(x + y) };
            }
        }
        tanh(y.tanh()) + input * 0.5
    }
    pub fn program_14<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = self.more[2 - 2].forward(input);
        x = (self.up.forward(x) - x.mean_keep(1));
        x = tanh((x.logsumexp_keep(-1) * 0.05 + input));
        x = max(input, input.tanh());
        x = self.more[2 - 1].forward(input);
        let mut block = input.tanh();
        for a in &self.pairs {
            block = block.unsqueeze(1).squeeze(-2);
            let mut innermost_list = Vec::new();
            for i in 0..3 {
                x = (0.05 * block * (9 * 7 / 3) - (x + tanh(input)));
                let mut x = select(gt(x, (block + tanh(input))), x, (block + tanh(input)));
                innermost_list.push(tanh(self.blocks[i].forward(x)));
            }
            for item in innermost_list.iter().rev() {
                let item = *item;
                x = sin(input + block) + 0.1 * innermost_list[2] * item;
                x = block.unsqueeze(1).squeeze(-2);
                x = (x.unsqueeze(1).squeeze(-2) - block.mean_keep(1));
            }
            x = tanh(x + innermost_list[0]);
        }
        tanh(block.tanh()) + input * 0.5
    }
    pub fn program_15<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let mut inner_list = Vec::new();
        for i in 0..3 {
            x = (x * x.max_keep(-1));
            let x = if !self.flag { (x * input.max_keep(-1)) } else { max(x, x) };
            inner_list.push(tanh(input.tanh()));
        }
        for item in inner_list.iter().rev() {
            let item = *item;
            x = sin(x + input) + 0.1 * inner_list[2] * item;
            x = (x + tanh(x.tanh()));
            let mut a = (item.logsumexp_keep(-1) * 0.05 + select(gt(item, x), item, x));
        }
        x = tanh(x + inner_list[0]);
        x = (input + tanh(self.more[2 - 0].forward(input)));
        let y = sin((0.05 * x * 8 - x) + x);
        let a = 7;
        for y in &self.blocks {
            x = sin(x.tanh() + x);
            let y = sin((-x * sigmoid(x)) + x);
        }
        tanh(x.unsqueeze(1).squeeze(-2)) + input * 0.5
    }
    pub fn program_16<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        for a in self.inner.iter().rev() {
            x = (x.logsumexp_keep(-1) * 0.05 + (input - input.mean_keep(1)));
            if !self.flag {
                x = sin(max(input, x) + input);
                if !self.flag {
                    x = input.tanh();
                } else {
                    let y = 9;
                }
            } else {
                let y = input.unsqueeze(1).squeeze(-2);
            }
        }
        for (down, y) in self.blocks.iter().zip(self.more.iter().rev()) {
            x = (x * x.max_keep(-1));
            let mut innermost_list = Vec::new();
            for i in 0..3 {
                x = down.forward(self.up.forward(input));
                x = (3 * (5 * x * 0.05) * 0.05);
                innermost_list.push(tanh(input.tanh()));
            }
            for item in innermost_list.iter().rev() {
                let item = *item;
                x = tanh(item) + 0.1 * innermost_list[2] * item;
                x = (0.05 * input * 1 - self.more[2 - 1].forward(item));
                x = (x * x.max_keep(-1));
            }
            x = tanh(x + innermost_list[0]);
            let mut block = (down.forward(x) - input.mean_keep(1));
        }
        if !self.flag {
            x = self.up.forward(input.tanh());
            x = input.unsqueeze(1).squeeze(-2);
        } else {
            let block = 7;
        }
        for (i, y) in self.blocks.iter().enumerate() {
            x = (7 * (x.logsumexp_keep(-1) * 0.05 + x) * 0.05);
            let a = (1 + 3 / 4);
            let mut a = max(input, y.forward(input));
            a = (-x * sigmoid(x.tanh()));
        }
        tanh(self.up.forward((input * input.max_keep(-1)))) + input * 0.5
    }
    pub fn program_17<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = select(gt(input, select(gt(input, input), input, input)), input, select(gt(input, input), input, input));
        x = select(gt(x, x.tanh()), x, x.tanh());
        for (down, block) in self.blocks.iter().zip(self.more.iter().rev()) {
            x = sin(max(input, x) + x);
            for y in &self.blocks {
                x = y.forward((-input * sigmoid(input)));
                let (mut block, x) = ((input.logsumexp_keep(-1) * 0.05 + input), block.forward(input));
                block = (x * input.max_keep(-1));
                block = (select(gt(block, input), block, input) - input.mean_keep(1));
                let (mut block, x) = ((x.logsumexp_keep(-1) * 0.05 + input), y.forward(block));
            }
        }
        for (i, block) in self.blocks.iter().enumerate() {
            x = (-x * sigmoid((0.05 * input * (4 * 1 / 4) - x)));
            if let Some(y) = &self.present {
                x = x.unsqueeze(1).squeeze(-2);
                let mut block = select(gt(input, ((1 - 3 / 5) * input * 0.05)), input, ((1 - 3 / 5) * input * 0.05));
            } else {
                x = (input * x.max_keep(-1));
            }
            x = (input * input.max_keep(-1));
            x = (x * input.max_keep(-1));
        }
        let a = if !self.flag { max(input, input) } else { self.more[2 - 0].forward(x) };
        x = (9 * sin(x + a) * 0.05);
        if let Some(y) = &self.absent {
            x = select(gt(input, (2 * x * 0.05)), input, (2 * x * 0.05));
            for a in &self.inner {
                x = (sin(input + input) - x.mean_keep(1));
                let a = if !self.flag { tanh(input) } else { (-x * sigmoid(input)) };
                x = select(gt(x, input.unsqueeze(1).squeeze(-2)), x, input.unsqueeze(1).squeeze(-2));
                let y = (9 - 1 / 5);
                if self.flag && !self.other {
                    x = max(x, self.up.forward(input));
                } else {
                    let mut y = max(input, (x.logsumexp_keep(-1) * 0.05 + input));
                }
            }
        }
        for a in &self.inner {
            x = a.forward(x.unsqueeze(1).squeeze(-2));
            let mut innermost_list = Vec::new();
            for i in 0..3 {
                x = tanh((input.logsumexp_keep(-1) * 0.05 + x));
                innermost_list.push(tanh(tanh(input)));
            }
            for (j, item) in innermost_list.iter().enumerate() {
                let item = *item;
                x = (0.05 * input * 3 - item) + 0.1 * innermost_list[2] * item;
                let x = select(gt(item, input.unsqueeze(1).squeeze(-2)), item, input.unsqueeze(1).squeeze(-2));
            }
            x = tanh(x + innermost_list[0]);
        }
        tanh(sin(self.up.forward(x) + x)) + input * 0.5
    }
    pub fn program_18<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let x = if self.flag { max(input, input) } else { (input + tanh(input)) };
        let a = self.up.forward((input - input.mean_keep(1)));
        tanh((-x * sigmoid(max(x, x)))) + input * 0.5
    }
    pub fn program_19<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = (-x * sigmoid((input + tanh(x))));
        let mut inner_list = Vec::new();
        for i in 0..3 {
            x = select(gt(x, self.up.forward(x)), x, self.up.forward(x));
            x = (x.logsumexp_keep(-1) * 0.05 + (x - input.mean_keep(1)));
            inner_list.push(tanh(input.unsqueeze(1).squeeze(-2)));
        }
        for (j, item) in inner_list.iter().enumerate() {
            let item = *item;
            x = select(gt(item, x), item, x) + 0.1 * inner_list[2] * item;
            let block = (input.logsumexp_keep(-1) * 0.05 + sin(input + item));
            let y = if self.flag || self.other { (x * block.max_keep(-1)) } else { self.up.forward(block) };
        }
        x = tanh(x + inner_list[0]);
        x = ((0.05 * x * 1 - x) - input.mean_keep(1));
        x = (input + tanh(max(x, input)));
        for y in &self.blocks {
            x = x.unsqueeze(1).squeeze(-2);
            let a = (4 + 7 / 2);
        }
        tanh(max(input, (input.logsumexp_keep(-1) * 0.05 + input))) + input * 0.5
    }
    pub fn program_20<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = x.tanh();
        let y = (x * input.max_keep(-1));
        let (mut y, x) = ((-y * sigmoid(input)), (5 * y * 0.05));
        let mut block = (3 * y.tanh() * 0.05);
        let block = 3;
        let a = (1 * (block * 2 / 5) / 4);
        y = (y * x.max_keep(-1));
        for (i, a) in self.blocks.iter().enumerate().rev() {
            y = (-x * sigmoid(sin(input + x)));
            let mut y = max(x, (0.05 * y * 5 - x));
            y = (x.logsumexp_keep(-1) * 0.05 + (input.logsumexp_keep(-1) * 0.05 + x));
        }
        tanh((self.up.forward(x) - input.mean_keep(1))) + input * 0.5
    }
    pub fn program_21<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        let mut inner_list = Vec::new();
        for i in 0..3 {
            x = (input + tanh(self.blocks[i].forward(x)));
            let mut block = tanh(x.tanh());
            inner_list.push(tanh((block.logsumexp_keep(-1) * 0.05 + x)));
        }
        for (j, item) in inner_list.iter().enumerate() {
            let item = *item;
            x = x.tanh() + 0.1 * inner_list[2] * item;
            x = (6 * (-x * sigmoid(x)) * 0.05);
        }
        x = tanh(x + inner_list[0]);
        for i in 0..3 {
            x = self.up.forward(sin(input + input));
            let x = 9;
            let (mut y, x) = ((input.logsumexp_keep(-1) * 0.05 + input), (input - input.mean_keep(1)));
            y = select(gt(y, select(gt(input, input), input, input)), y, select(gt(input, input), input, input));
        }
        let block = 1;
        x = input.tanh();
        x = sin(input.tanh() + x);
        x = tanh(tanh(x));
        for block in &self.pairs {
            x = x.unsqueeze(1).squeeze(-2);
            let (mut x, y) = block.forward((x.logsumexp_keep(-1) * 0.05 + x));
            x = max(input, max(input, input));
            for (i, y) in self.blocks.iter().enumerate() {
                x = (-x * sigmoid(sin(x + x)));
                x = sin((x.logsumexp_keep(-1) * 0.05 + input) + input);
            }
            let mut block = (x * x.max_keep(-1));
        }
        tanh((x.logsumexp_keep(-1) * 0.05 + (x + tanh(x)))) + input * 0.5
    }
    pub fn program_22<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = input.unsqueeze(1).squeeze(-2);
        let mut x = ((input * x.max_keep(-1)) - input.mean_keep(1));
        x = input.tanh();
        let block = if !self.flag { max(x, x) } else { sin(x + x) };
        for a in &self.blocks {
            x = self.more[2 - 0].forward(input);
            let mut a = tanh(max(x, input));
            let (mut y, x) = ((block * input.max_keep(-1)), sin(a + input));
            let mut x = input.unsqueeze(1).squeeze(-2);
            let block = (-a * sigmoid(self.up.forward(block)));
        }
        tanh((-input * sigmoid((-input * sigmoid(block))))) + input * 0.5
    }
    pub fn program_23<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = tanh(input);
        x = self.up.forward((x + tanh(x)));
        let mut inner_list = Vec::new();
        for i in 0..3 {
            x = self.up.forward(((9 + 5 / 5) * x * 0.05));
            let mut innermost_list = Vec::new();
            for i in 0..3 {
                x = max(x, (x - x.mean_keep(1)));
                x = (8 * input.unsqueeze(1).squeeze(-2) * 0.05);
                innermost_list.push(tanh(input.tanh()));
            }
            for (j, item) in innermost_list.iter().enumerate() {
                let item = *item;
                x = self.up.forward(input) + 0.1 * innermost_list[2] * item;
                x = (input + tanh((item - x.mean_keep(1))));
            }
            x = tanh(x + innermost_list[0]);
            inner_list.push(tanh(x.unsqueeze(1).squeeze(-2)));
        }
        for item in inner_list.iter().rev() {
            let item = *item;
            x = item.unsqueeze(1).squeeze(-2) + 0.1 * inner_list[2] * item;
            x = (self.more[2 - 1].forward(x) - x.mean_keep(1));
        }
        x = tanh(x + inner_list[0]);
        x = ((4 - 7 / 2) * (-input * sigmoid(input)) * 0.05);
        x = input.tanh();
        for block in &self.pairs {
            x = max(input, self.up.forward(x));
            x = (x * x.max_keep(-1));
        }
        tanh(input.unsqueeze(1).squeeze(-2)) + input * 0.5
    }
    pub fn all<B>(&self, input: Tensor<B, 4>) -> Tensor<B, 4> {
        let (mut y, _) = (self.up.forward(input), input);
        for block in &self.blocks {
            y = block.forward(y);
        }
        for block in &self.inner {
            y = block.forward(y);
        }
        for block in &self.more {
            y = block.forward(y);
        }
        if let Some(layer) = &self.present {
            y = layer.forward(y);
        }
        if let Some(layer) = &self.absent {
            y = layer.forward(y);
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
}
