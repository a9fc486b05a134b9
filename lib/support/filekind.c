#include "mc/support/filekind.h"
#include <string.h>

typedef struct bytes {
  const unsigned char *p;
  size_t n;
} bytes;

static bool at(bytes b, size_t from, const char *what, size_t n) {
  return b.n >= from + n && !memcmp(b.p + from, what, n);
}

static bool starts(bytes b, const char *text) { return at(b, 0, text, strlen(text)); }

/* Is `text` in the first `most` bytes? */
static bool holds(bytes b, size_t most, const char *text) {
  size_t n = strlen(text), end = b.n < most ? b.n : most;
  for (size_t i = 0; i + n <= end; i++)
    if (b.p[i] == (unsigned char)text[0] && !memcmp(b.p + i, text, n)) return true;
  return false;
}

/* ---- by fixed bytes ---- */
static const char to_onnx_torch[] = "make ONNX of the model with torch.onnx.export";
static const char to_onnx_tf[] = "make ONNX of the model with tf2onnx (python -m tf2onnx.convert)";
static const char unpack_it[] = "unpack it first";

static const struct {
  size_t from;
  const char *magic;
  size_t n;
  mc_filekind kind;
} magics[] = {

#define MAGIC(from, text, what, help)                                                              \
  {                                                                                                \
    from, text, sizeof text - 1, { what, help }                                                    \
  }
  MAGIC(4, "TFL3", "a TensorFlow Lite model (flatbuffer)",
        "make ONNX of it with tf2onnx (python -m tf2onnx.convert --tflite FILE)"),
  MAGIC(4, "ORTM", "a model in ONNX Runtime's own format",
        "give the .onnx file that it was made from"),
  MAGIC(0, "\177ELF", "an ELF file (object, library or program)", NULL),
  MAGIC(0, "\x89HDF\r\n\x1a\n", "an HDF5 file (Keras weights or model)", to_onnx_tf),
  MAGIC(0, "\x93NUMPY", "a numpy array (.npy)",
        "arrays are given as data (mc-run --input, -calib)"),
  MAGIC(0, "GGUF", "a GGUF model (llama.cpp)", NULL),
  MAGIC(0, "\x1f\x8b", "a gzip archive", unpack_it),
  MAGIC(0,
        "\xfd"
        "7zXZ",
        "an xz archive", unpack_it),
  MAGIC(0, "BZh", "a bzip2 archive", unpack_it),
  MAGIC(0, "\x28\xb5\x2f\xfd", "a zstd archive", unpack_it),
  MAGIC(0, "7z\xbc\xaf\x27\x1c", "a 7z archive", unpack_it),
  MAGIC(257, "ustar", "a tar archive", unpack_it),
  MAGIC(0, "!<arch>\n", "an archive of objects (.a)", NULL),
  MAGIC(0, "BC\xc0\xde", "LLVM bitcode", NULL),
  MAGIC(0, "\xff\xd8\xff", "a JPEG image", NULL),
  MAGIC(0, "\x89PNG\r\n", "a PNG image", NULL),
  MAGIC(0, "%PDF-", "a PDF document", NULL),
  MAGIC(0, "MZ", "a Windows program or library", NULL),
  MAGIC(0, "\xcf\xfa\xed\xfe", "a Mach-O file (object, library or program)", NULL),
  MAGIC(0, "version https://git-lfs.github.com/",
        "a Git LFS pointer: the file itself was not fetched", "git lfs pull fetches it"),
#undef MAGIC
};

static mc_filekind zip_kind(bytes b) {
  enum { ENOUGH = 1 << 16 };

  if (holds(b, ENOUGH, "data.pkl") || holds(b, ENOUGH, "constants.pkl"))
    return (mc_filekind){ "a PyTorch archive (torch.save or TorchScript)", to_onnx_torch };
  if (holds(b, ENOUGH, "model.weights.h5") || holds(b, ENOUGH, "metadata.json"))
    return (mc_filekind){ "a Keras archive (.keras)", to_onnx_tf };
  if (holds(b, 300, ".npy"))
    return (mc_filekind){ "numpy arrays (.npz)",
                          "arrays are given as data (mc-run --data, -calib)" };
  return (mc_filekind){ "a zip archive", unpack_it };
}

/* ---- protobuf: the fields of the outermost message ---- */
static bool number(bytes b, size_t *i, uint64_t *out) {
  *out = 0;
  for (int shift = 0; *i < b.n && shift < 64; shift += 7) {
    unsigned char c = b.p[(*i)++];
    *out |= (uint64_t)(c & 127) << shift;
    if (c < 128) return true;
  }
  return false;
}

/* What the outermost fields look like: bit i of seen: field i is there with bytes, of numbers:
 * field i is there with a number. */
typedef struct outline {
  uint64_t seen, numbers, first;
  bool ok;
} outline;

static outline outline_of(bytes b) {
  outline o = { .ok = true };
  for (size_t i = 0, k = 0; i < b.n && k < 64; k++) {
    uint64_t key, v;
    if (!number(b, &i, &key) || key >> 3 == 0 || key >> 3 > 63) break;
    bool bytes_of = (key & 7) == 2;
    if ((!bytes_of && (key & 7) != 0) || !number(b, &i, &v)) break;
    *(bytes_of ? &o.seen : &o.numbers) |= UINT64_C(1) << (key >> 3);
    if (k == 0) o.first = v;
    if (!bytes_of) continue;
    if (v > b.n - i) break;
    i += (size_t)v;
  }
  return o;
}

static mc_filekind proto_kind(bytes b) {
  enum { ENOUGH = 1 << 16 };

  outline o = outline_of(b);
  bool version = o.numbers >> 1 & 1;
  if (version && o.seen >> 7 & 1)
    return (mc_filekind){
      "an ONNX model", "mc-import makes .mir text of it; mcc and others read files named .onnx"
    };
  if (version && b.p[0] == 8 && holds(b, ENOUGH, "tensorflow"))
    return (mc_filekind){ "a TensorFlow SavedModel", to_onnx_tf };
  if (b.p[0] == 8 && version && holds(b, ENOUGH, "serve"))
    return (mc_filekind){ "a TensorFlow SavedModel", to_onnx_tf };
  bool graph = b.p[0] == 0x0a && (holds(b, ENOUGH, "Placeholder") || holds(b, ENOUGH, "Const"));
  return graph ? (mc_filekind){ "a TensorFlow graph (frozen .pb)", to_onnx_tf }
               : (mc_filekind){ 0 };
}

/* ---- text ---- */
static mc_filekind text_kind(bytes b) {
  size_t i = 0;
  while (i < b.n) { /* comments and blanks of .mir */
    if (b.p[i] == ' ' || b.p[i] == '\t' || b.p[i] == '\n' || b.p[i] == '\r')
      i++;
    else if (at(b, i, "//", 2))
      while (i < b.n && b.p[i] != '\n') i++;
    else
      break;
  }
  bytes rest = { b.p + i, b.n - i };
  if (starts(rest, "mir 1"))
    return (mc_filekind){ ".mir text", "mcc, mc-opt and mc-run read it as it is" };
  if (starts(rest, "<!DOCTYPE html") || starts(rest, "<!doctype html") || starts(rest, "<html"))
    return (mc_filekind){ "an HTML page", "a download may have failed" };
  if (starts(rest, "<?xml") || starts(rest, "<net "))
    return (mc_filekind){ "XML text (OpenVINO's IR?)", NULL };
  if (starts(rest, "{") || starts(rest, "[")) return (mc_filekind){ "JSON text", NULL };
  if (starts(rest, "7767517")) return (mc_filekind){ "an ncnn model (.param)", NULL };
  return (mc_filekind){ 0 };
}

static bool is_safetensors(bytes b) {
  uint64_t n = 0;
  for (int i = 0; i < 8 && b.n > 9; i++) n |= (uint64_t)b.p[i] << (8 * i);
  return n > 1 && n < 100000000 && b.p[8] == '{';
}

mc_filekind mc_filekind_of(const void *data, size_t size) {
  bytes b = { data, size };
  if (size < 2) return (mc_filekind){ 0 };
  for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
    if (at(b, magics[i].from, magics[i].magic, magics[i].n)) return magics[i].kind;
  if (at(b, 0, "PK\3\4", 4)) return zip_kind(b);
  if (is_safetensors(b))
    return (mc_filekind){ "safetensors: weights without a network",
                          "the network is in another file (.onnx, or .mir beside it)" };
  if (b.p[0] == 0x80 && b.p[1] >= 2 && b.p[1] <= 5)
    return (mc_filekind){ "a Python pickle (an old PyTorch checkpoint?)", to_onnx_torch };
  mc_filekind k = proto_kind(b);
  return k.what ? k : text_kind(b);
}

bool mc_is_text(const void *data, size_t size) {
  const unsigned char *p = data;
  for (size_t i = 0; i < size; i++)
    if (p[i] < 32 && p[i] != '\n' && p[i] != '\r' && p[i] != '\t') return false;
  return true;
}

/* ---- for people ---- */
size_t mc_shown_length(const char *s, size_t left) {
  const unsigned char *p = (const unsigned char *)s;
  if (!left || p[0] < 0x20 || p[0] == 0x7f) return 0;
  size_t n = p[0] < 0x80                   ? 1
             : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
             : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
             : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                           : 0;
  if (n > left || (p[0] == 0xc2 && left > 1 && p[1] < 0xa0))
    return 0; /* control characters of 0x80 to 0x9f */
  for (size_t i = 1; i < n; i++)
    if ((p[i] & 0xc0) != 0x80) return 0;
  return n;
}

void mc_sb_shown(mc_strbuf *b, const char *s, size_t n) {
  for (size_t i = 0, len; i < n; i += len ? len : 1) {
    len = mc_shown_length(s + i, n - i);
    if (len)
      mc_sb_write(b, s + i, len);
    else if (s[i] == '\n' || s[i] == '\t')
      mc_sb_putc(b, s[i]);
    else
      mc_sb_printf(b, "\\x%02x", (unsigned char)s[i]);
  }
}
