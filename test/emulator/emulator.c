/*
 * Runs x86-64 machine code that lies in this process by the emulator Bochs, in the build of the Python package
 * bochscpu-python: AVX-512 and AVX512_BF16 on processors that lack them.
 *
 * Bochs calls everything by name, so what is defined here under Bochs's own names takes their place: memory, hooks, the
 * model of the processor, and the one instruction that it gets wrong. This library must be loaded first, with its symbols
 * visible to all. Threads take turns, one at a time: a thread runs until it waits for a futex or returns.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;

static void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("emulator: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
}

/* ---- What the library asks for and nobody uses: Python's objects, and what the C library has from glibc 2.38 on. */

#define PLACEHOLDER(name) char name[64];
#define EXCEPTION(name) char PyExc_##name[64];
PLACEHOLDER(PyBaseObject_Type) PLACEHOLDER(PyBytes_Type) PLACEHOLDER(PyFloat_Type) PLACEHOLDER(PyList_Type)
PLACEHOLDER(PyLong_Type) PLACEHOLDER(PyModule_Type) PLACEHOLDER(PyObject_GenericGetDict)
PLACEHOLDER(PyObject_GenericSetDict) PLACEHOLDER(PyObject_Vectorcall) PLACEHOLDER(PyObject_VectorcallMethod)
PLACEHOLDER(PyProperty_Type) PLACEHOLDER(PyTuple_Type) PLACEHOLDER(PyType_GenericNew) PLACEHOLDER(PyType_Type)
PLACEHOLDER(PyUnicode_Type) PLACEHOLDER(PyVectorcall_Call) PLACEHOLDER(Py_GenericAlias)
PLACEHOLDER(Py_GenericAliasType) PLACEHOLDER(_PyWeakref_RefType) PLACEHOLDER(_Py_FalseStruct)
PLACEHOLDER(_Py_NoneStruct) PLACEHOLDER(_Py_NotImplementedStruct) PLACEHOLDER(_Py_TrueStruct)
EXCEPTION(AttributeError) EXCEPTION(BufferError) EXCEPTION(ImportError) EXCEPTION(IndexError) EXCEPTION(KeyError)
EXCEPTION(MemoryError) EXCEPTION(OverflowError) EXCEPTION(RuntimeError) EXCEPTION(RuntimeWarning)
EXCEPTION(StopIteration) EXCEPTION(SystemError) EXCEPTION(TypeError) EXCEPTION(ValueError)

unsigned long long __isoc23_strtoull(const char *text, char **end, int base) { return strtoull(text, end, base); }
int __isoc23_sscanf(const char *text, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int found = vsscanf(text, format, arguments);
  va_end(arguments);
  return found;
}

/* ---- Memory. Physical addresses count from `window` and are this process's. */

static u64 window;
void *mem_guest_to_host(u32 cpu, u64 physical, u32 access) { return (void *)(window + physical); }
void mem_read_phy(u32 cpu, u64 physical, u32 bytes, void *to) { memcpy(to, (void *)(window + physical), bytes); }
void mem_write_phy(u32 cpu, u64 physical, u32 bytes, const void *from) {
  memcpy((void *)(window + physical), from, bytes);
}

/* ---- Hooks: an exception or HLT ends a turn. */

static jmp_buf turnEnds;
enum { HALTED = 1, FAULTED = 2 };
static u32 fault;
void bx_instr_exception(u32 cpu, u32 vector, u32 error) {
  fault = vector;
  longjmp(turnEnds, FAULTED);
}
void _ZN8BX_CPU_C3HLTEP15bxInstruction_c(void *instruction) { longjmp(turnEnds, HALTED); }

#define HOOK(name) void bx_instr_##name(void) {}
HOOK(after_execution) HOOK(before_execution) HOOK(cache_cntrl) HOOK(clflush) HOOK(cnear_branch_not_taken)
HOOK(cnear_branch_taken) HOOK(exit) HOOK(exit_env) HOOK(far_branch) HOOK(hlt) HOOK(hwinterrupt) HOOK(init_env)
HOOK(initialize) HOOK(inp) HOOK(inp2) HOOK(interrupt) HOOK(lin_access) HOOK(mwait) HOOK(opcode) HOOK(outp)
HOOK(phy_access) HOOK(prefetch_hint) HOOK(repeat_iteration) HOOK(reset) HOOK(tlb_cntrl) HOOK(ucnear_branch)
HOOK(vmexit) HOOK(wrmsr)

/* ---- Bochs. Its processor number 0 is the only one. */

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, REGISTERS = 16 };
static void (*cpu_new)(u32), (*cpu_loop)(u32), (*cpu_set_mode)(u32), (*cpu_clear_killbit)(u32);
static u64 (*cpu_get_pc)(u32), (*cpu_get_reg64)(u32, u32);
static void (*cpu_set_pc)(u32, u64), (*cpu_set_sp)(u32, u64), (*cpu_set_reg64)(u32, u32, u64);
static void (*cpu_set_seg)(u32, u32, u32, u16, u64, u32, u16);
static void (*cpu_set_cr0)(u32, u32), (*cpu_set_cr3)(u32, u64), (*cpu_set_cr4)(u32, u64), (*cpu_set_efer)(u32, u32);
static void (*cpu_set_xcr0)(u32, u32), (*cpu_set_star)(u32, u64), (*cpu_set_lstar)(u32, u64);
static void (*cpu_set_fmask)(u32, u32), (*cpu_set_eflags)(u32, u32), (*cpu_set_mxcsr)(u32, u32);
static void (*cpu_get_zmm)(u32, u32, void *), (*cpu_set_zmm)(u32, u32, const void *);
static void *(*createSapphireRapids)(void *);
static void (*nop)(void *), (*flushCode)(void);

/* Of all its processors this is the one that Bochs makes. */
void *_Z23create_corei3_cnl_cpuidP8BX_CPU_C(void *cpu) { return createSapphireRapids(cpu); }

/* Its clock stands still between calls of ours. */
void _ZN8BX_CPU_C5RDTSCEP15bxInstruction_c(void *instruction) {
  static u64 time;
  time += 1000;
  cpu_set_reg64(0, RAX, (u32)time);
  cpu_set_reg64(0, RDX, time >> 32);
  nop(instruction);
}

/* Round to nearest even, denormals to zero, NaN to a quiet one (Intel SDM, VCVTNE2PS2BF16). */
static u16 bf16Of(u32 bits) {
  u32 exponent = bits >> 23 & 0xff;
  if (exponent == 0xff) return bits >> 16 | (bits & 0x7fffff ? 0x40 : 0);
  if (exponent == 0) return bits >> 16 & 0x8000;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

/*
 * Bochs takes the upper half of the result from beyond the first operand. In its instruction the destination and the two
 * sources are the bytes from 0x14 on, the vector's length in 128 bits is at 0x21, the write mask at 0x23.
 */
void _ZN8BX_CPU_C30VCVTNE2PS2BF16_MASK_VphHpsWpsREP15bxInstruction_c(void *instruction) {
  const uint8_t *field = instruction;
  if (field[0x21] != 4 || field[0x23] != 0) {
    fail("VCVTNE2PS2BF16 is known for 512 bits without a mask, nothing else");
    abort();
  }
  u32 low[16], high[16];
  u16 result[32];
  cpu_get_zmm(0, field[0x15], high);
  cpu_get_zmm(0, field[0x16], low);
  for (int n = 0; n < 16; n++) {
    result[n] = bf16Of(low[n]);
    result[16 + n] = bf16Of(high[n]);
  }
  cpu_set_zmm(0, field[0x14], result);
  nop(instruction);
}

static void *library;
static void *named(const char *name) {
  void *found = dlsym(library, name);
  if (found == NULL) {
    fail("this build of Bochs has no %s", name);
    abort();
  }
  return found;
}

/*
 * The 8-bit displacement of VDPBF16PS counts whole vectors (Intel SDM, table 2-34, full vector); Bochs counts words. An
 * entry of its table is two functions and the types of the operands, of which the third is the one in memory.
 */
static void correctDisplacement(void) {
  enum { ENTRY = 24, TABLE = 0x15150, TYPE = 18, SCALAR = 0x44, FULL = 0x04 };
  uint8_t *table = named("BxOpcodesTable");
  void *product = named("_ZN8BX_CPU_C25VDPBF16PS_MASK_VpsHdqWdqREP15bxInstruction_c");
  for (uint8_t *entry = table; entry < table + TABLE; entry += ENTRY) {
    if (*(void **)(entry + 8) != product || entry[TYPE] != SCALAR) continue;
    mprotect((void *)((u64)entry & ~4095), 8192, PROT_READ | PROT_WRITE);
    entry[TYPE] = FULL;
    return;
  }
  fail("this build of Bochs has another table of instructions");
  abort();
}

static uint8_t *pages(u64 bytes) {
  void *mapped = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped != MAP_FAILED) return mapped;
  fail("no memory");
  abort();
}

/* Bochs has 40 bits of physical address: 1 TiB around where the system maps memory in this process, by pages of 1 GiB. */
static u64 pageTable(void) {
  enum { PAGE = 4096, PRESENT_WRITABLE = 3, LARGE = 0x80, TABLES = 256, GIGABYTES = 1024 };
  const u64 gigabyte = 1 << 30;
  uint8_t *top = pages(PAGE * (1 + TABLES));
  u64 *entries = (u64 *)(top + PAGE);
  window = ((u64)top & -gigabyte) - GIGABYTES / 2 * gigabyte;
  for (u64 k = 0; k < TABLES; k++) ((u64 *)top)[k] = ((u64)top + PAGE * (1 + k) - window) | PRESENT_WRITABLE;
  for (u64 k = 0; k < GIGABYTES && window / gigabyte + k < TABLES * 512; k++) {
    entries[window / gigabyte + k] = k * gigabyte | LARGE | PRESENT_WRITABLE;
  }
  return (u64)top - window;
}

/* A page of HLT: threads return to its beginning, and system calls go to its middle. */
static u64 stops;
enum { CALLED_SYSTEM = 2048 };

/* 64-bit mode with paging and all vector registers, as Linux gives it to programs, but for the privilege level: 0. */
static void setMode(u64 table) {
  enum { CODE = 1, CODE_SELECTOR = 0x08, DATA_SELECTOR = 0x10, SEGMENTS = 6 };
  cpu_set_cr0(0, 0x80000033);
  cpu_set_cr3(0, table);
  cpu_set_cr4(0, 0x40620);
  cpu_set_efer(0, 0x501);
  cpu_set_xcr0(0, 0xe7);
  cpu_set_star(0, (u64)CODE_SELECTOR << 32);
  cpu_set_lstar(0, stops + CALLED_SYSTEM);
  cpu_set_fmask(0, 0);
  for (u32 s = 0; s < SEGMENTS; s++) cpu_set_seg(0, s, 1, DATA_SELECTOR, 0, 0xffffffff, 0xc093);
  cpu_set_seg(0, CODE, 1, CODE_SELECTOR, 0, 0xffffffff, 0xa09b);
  cpu_set_mxcsr(0, 0x1f80);
  cpu_set_mode(0);
}

/* Opens bochscpu's library; 0, or not where that failed. */
int emulator_open(const char *path) {
  library = dlopen(path, RTLD_LAZY | RTLD_GLOBAL);
  if (library == NULL) {
    fail("%s", dlerror());
    return 1;
  }
#define FIND(name) name = named(#name)
  FIND(cpu_new), FIND(cpu_loop), FIND(cpu_set_mode), FIND(cpu_clear_killbit), FIND(cpu_get_pc), FIND(cpu_get_reg64);
  FIND(cpu_set_pc), FIND(cpu_set_sp), FIND(cpu_set_reg64), FIND(cpu_set_seg), FIND(cpu_set_cr0), FIND(cpu_set_cr3);
  FIND(cpu_set_cr4), FIND(cpu_set_efer), FIND(cpu_set_xcr0), FIND(cpu_set_star), FIND(cpu_set_lstar);
  FIND(cpu_set_fmask), FIND(cpu_set_eflags), FIND(cpu_set_mxcsr), FIND(cpu_get_zmm), FIND(cpu_set_zmm);
  createSapphireRapids = named("_Z28create_sapphire_rapids_cpuidP8BX_CPU_C");
  nop = named("_ZN8BX_CPU_C3NOPEP15bxInstruction_c");
  flushCode = named("_Z12flushICachesv");
  correctDisplacement();
  cpu_new(0);
  stops = (u64)pages(4096);
  memset((void *)stops, 0xf4, 4096);
  setMode(pageTable());
  return 0;
}

/* To be called where other code than before may lie in memory. */
void emulator_forget_code(void) { flushCode(); }

/* ---- Threads */

enum { READY, WAITING, DONE };
typedef struct {
  int state;
  u64 waitsFor, next, registers[REGISTERS];
  uint8_t *stack;
} Thread;
enum { MOST_THREADS = 4096, STACK_BYTES = 1 << 16 };
static Thread threads[MOST_THREADS];
static int threadCount = 1;

static void begin(Thread *thread, u64 code, u64 a, u64 b, u64 c) {
  if (thread->stack == NULL) thread->stack = pages(STACK_BYTES);
  u64 *top = (u64 *)(thread->stack + STACK_BYTES) - 1;
  *top = stops;
  /* What a function may not read: values that would be seen. */
  for (int r = 0; r < REGISTERS; r++) thread->registers[r] = 0xdeadbeef00000000 + r;
  thread->registers[RSP] = (u64)top;
  thread->registers[RDI] = a;
  thread->registers[RSI] = b;
  thread->registers[RDX] = c;
  thread->next = code;
  thread->state = READY;
}

/* futex(word, operation, value), the one system call that code makes; 0, or not where it is another. */
static int callSystem(Thread *thread) {
  enum { FUTEX = 202, WAIT = 128, WAKE = 129, TRY_AGAIN = -11 };
  u64 *r = thread->registers;
  const u64 word = r[RDI], call = r[RAX];
  thread->next = r[RCX];
  if (call != FUTEX || (r[RSI] != WAIT && r[RSI] != WAKE)) {
    fail("system call %lu is not known", call);
    return 1;
  }
  r[RAX] = 0;
  if (r[RSI] == WAKE) {
    for (Thread *other = threads; other < threads + threadCount; other++) {
      if (other->state != WAITING || other->waitsFor != word) continue;
      other->state = READY;
      r[RAX]++;
    }
  } else if (*(u32 *)word != (u32)r[RDX]) {
    r[RAX] = TRY_AGAIN;
  } else {
    thread->state = WAITING;
    thread->waitsFor = word;
  }
  return 0;
}

/* Why a turn ended elsewhere than at a stop. */
static int report(u64 at, int how) {
  const uint8_t *code = (const uint8_t *)at;
  fail(how == FAULTED ? "exception %u at %lx, before it and from there on:" : "%u halted at %lx:", fault, at);
  for (int k = -16; k < 16; k++) fprintf(stderr, k == 0 ? " | %02x" : " %02x", code[k]);
  fputc('\n', stderr);
  return 1;
}

/* Runs a thread until it waits or is done; 0, or not where it failed. */
static int takeTurn(Thread *thread) {
  while (thread->state == READY) {
    for (int r = 0; r < REGISTERS; r++) cpu_set_reg64(0, r, thread->registers[r]);
    cpu_set_sp(0, thread->registers[RSP]);
    cpu_set_pc(0, thread->next);
    cpu_set_eflags(0, 2);
    cpu_clear_killbit(0);
    const int how = setjmp(turnEnds);
    if (how == 0) {
      cpu_loop(0);
      return report(cpu_get_pc(0), 0);
    }
    const u64 at = cpu_get_pc(0);
    for (int r = 0; r < REGISTERS; r++) thread->registers[r] = cpu_get_reg64(0, r);
    /* HLT has one byte, and the processor is behind it. */
    if (how == HALTED && at == stops + 1) thread->state = DONE;
    else if (how != HALTED || at != stops + CALLED_SYSTEM + 1) return report(at, how);
    else if (callSystem(thread) != 0) return 1;
  }
  return 0;
}

static int runUntilDone(Thread *wanted) {
  while (wanted->state != DONE) {
    int turns = 0;
    for (Thread *thread = threads; thread < threads + threadCount; thread++) {
      if (thread->state != READY) continue;
      turns++;
      if (takeTurn(thread) != 0) return 1;
    }
    if (turns > 0) continue;
    fail("all threads wait");
    return 1;
  }
  return 0;
}

/* Calls code(a, b, c), while other threads run; 0, or not where that failed. */
int emulator_call(u64 code, u64 a, u64 b, u64 c) {
  begin(&threads[0], code, a, b, c);
  return runUntilDone(&threads[0]);
}

/* Starts code(argument) on a thread; its number, or -1 where there are too many. */
int emulator_start(u64 code, u64 argument) {
  for (int t = 1; t < MOST_THREADS; t++) {
    if (t < threadCount && threads[t].state != DONE) continue;
    if (t == threadCount) threadCount++;
    begin(&threads[t], code, argument, 0, 0);
    return t;
  }
  return -1;
}

int emulator_join(int thread) { return runUntilDone(&threads[thread]); }
