/**
 * The code that every thread runs: wait for a step, walk the table of launches with barriers in between, wait again.
 *
 * One control block and one block per thread lie in memory; their layouts are below. Words that threads spin on have a
 * cache line (64 bytes) each. All offsets are in bytes.
 */
import { Encoder, memoryAt } from './encoder.ts'
import { GeneralEncoder, registers } from './general.ts'
import type { Label } from './codeBuffer.ts'

export const control = {
  /** u32: rises by one for each step; threads wait for it to change. */
  go: 0,
  /** u32: threads asleep on `go`. */
  goSleepers: 4,
  /** u32: threads that have reached the barrier. */
  arrived: 64,
  /** u32: barriers passed. */
  generation: 128,
  /** u32: threads asleep on `generation`. */
  sleepers: 132,
  /** u64: first launch, and the end of the last. */
  table: 192,
  tableEnd: 200,
  /** u64 */
  threads: 208,
  /** u32: not 0: threads return instead of working. */
  exit: 216,
  /** u32: how often to look before sleeping. */
  goSpins: 220,
  barrierSpins: 224,
  /** u64: where thread 0 writes the time stamps, launches + 1 of them; 0: nowhere. */
  stamps: 232,
  /** u32: how many times this table was walked before, modulo 2^32. */
  walks: 240,
  bytes: 256,
} as const

export const threadBlock = {
  /** u64: 0 is the calling thread. */
  index: 0,
  /** u64: address of the control block. */
  control: 8,
  /** u64: address of the scratch memory. */
  scratch: 16,
  bytes: 64,
} as const

export const launchEntry = {
  /** u64: address of the code. */
  kernel: 0,
  /** u64: address of the table of buffer addresses. */
  arguments: 8,
  /** u64 */
  units: 16,
  /** u64: not 0: wait for all threads first. */
  barrier: 24,
  /** u64: the first units, of which each thread has its own share. */
  fixed: 32,
  /** u64: the other units are taken this many at a time by whoever is free. */
  grain: 40,
  /** u32: how many times that is. */
  takes: 48,
  /** u32: rises by one for each try to take, successful or not; starts at 0 and is never set back. */
  tries: 56,
  /** u32: tries in one walk: `takes`, and one in vain by each thread. */
  triesPerWalk: 60,
  bytes: 64,
} as const

export interface Driver {
  readonly bytes: Uint8Array
  /** Offset of `void run(threadBlock 0)`: wakes the others and does this thread's part. */
  readonly run: number
  /** Offset of `void wake(threadBlock 0)`: only wakes the others, for them to see `exit`. */
  readonly wake: number
  /** Offset of `void* thread(threadBlock)`, for pthread_create. */
  readonly thread: number
}

const { rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r12, r13, r14, r15 } = registers
const saved = [rbx, rbp, r12, r13, r14, r15]

/** Linux x86-64 system call 202; operations FUTEX_WAIT and FUTEX_WAKE with FUTEX_PRIVATE_FLAG (linux/futex.h). */
const futex = 202
const futexWait = 128
const futexWake = 129
const everyone = 0x7fffffff

export function assembleDriver(): Driver {
  return new DriverAssembler().assemble()
}

/** Throughout, rbx is the thread block and r12 the control block. */
class DriverAssembler {
  readonly #encoder = new Encoder()
  readonly #g = new GeneralEncoder(this.#encoder)
  readonly #walk: Label = this.#encoder.code.label()
  readonly #barrier: Label = this.#encoder.code.label()

  assemble(): Driver {
    const { code } = this.#encoder
    const run = code.length
    this.#run()
    code.align(64)
    const wake = code.length
    this.#enter()
    this.#start()
    this.#leave()
    code.align(64)
    const thread = code.length
    this.#thread()
    code.align(64)
    this.#walkTable()
    code.align(64)
    this.#waitForAll()
    return { bytes: code.finish().bytes, run, wake, thread }
  }

  #enter(): void {
    for (const register of saved) this.#g.push(register)
    this.#g.move(rbx, rdi)
    this.#g.load(r12, memoryAt(rbx, threadBlock.control))
  }
  #leave(): void {
    for (const register of saved.toReversed()) this.#g.pop(register)
    this.#g.return()
  }

  #run(): void {
    this.#enter()
    this.#start()
    this.#g.call(this.#walk)
    this.#leave()
  }

  /** Changes `go`, for which the other threads wait. */
  #start(): void {
    const g = this.#g
    const awake = this.#encoder.code.label()
    g.arithmeticMemoryImmediate32('cmp', memoryAt(r12, control.threads), 1)
    g.jumpIf('equal', awake)
    g.increment32(memoryAt(r12, control.go))
    g.arithmeticMemoryImmediate32('cmp', memoryAt(r12, control.goSleepers), 0)
    g.jumpIf('equal', awake)
    this.#wakeAll(control.go)
    this.#encoder.code.bind(awake)
  }

  /** r13 is the last step seen. */
  #thread(): void {
    const g = this.#g
    const { code } = this.#encoder
    const [idle, work, leave] = [code.label(), code.label(), code.label()]
    this.#enter()
    g.moveImmediate(r13, 0)
    code.bind(idle)
    this.#waitForChange(control.go, control.goSleepers, control.goSpins, r13, work)
    code.bind(work)
    g.load32(r13, memoryAt(r12, control.go))
    g.arithmeticMemoryImmediate32('cmp', memoryAt(r12, control.exit), 0)
    g.jumpIf('notEqual', leave)
    g.call(this.#walk)
    g.jump(idle)
    code.bind(leave)
    g.moveImmediate(rax, 0)
    this.#leave()
  }

  /** r14 is the launch, r15 the end, rbp where the next time stamp goes. */
  #walkTable(): void {
    const g = this.#g
    const { code } = this.#encoder
    const [next, noBarrier, noStamp, rest] = [code.label(), code.label(), code.label(), code.label()]
    const [end, done] = [code.label(), code.label()]
    code.bind(this.#walk)
    g.load(r14, memoryAt(r12, control.table))
    g.load(r15, memoryAt(r12, control.tableEnd))
    g.moveImmediate(rbp, 0)
    g.arithmeticMemoryImmediate32('cmp', memoryAt(rbx, threadBlock.index), 0)
    g.jumpIf('notEqual', next)
    g.load(rbp, memoryAt(r12, control.stamps))
    code.bind(next)
    g.arithmetic('cmp', r14, r15)
    g.jumpIf('notBelow', end)
    g.arithmeticMemoryImmediate32('cmp', memoryAt(r14, launchEntry.barrier), 0)
    g.jumpIf('equal', noBarrier)
    g.call(this.#barrier)
    code.bind(noBarrier)
    this.#stamp(noStamp)
    this.#share()
    g.jumpIf('notBelow', rest)
    this.#callKernel()
    code.bind(rest)
    this.#takeRest()
    g.arithmeticImmediate('add', r14, launchEntry.bytes)
    g.jump(next)
    code.bind(end)
    g.call(this.#barrier)
    this.#stamp(done)
    g.return()
  }

  /** Runs the launch's kernel on units [rdi, rsi). */
  #callKernel(): void {
    const g = this.#g
    g.load(rdx, memoryAt(r14, launchEntry.arguments))
    g.load(rcx, memoryAt(rbx, threadBlock.scratch))
    g.callMemory(memoryAt(r14, launchEntry.kernel))
  }

  /**
   * Takes units behind the fixed ones until there are none: try number k of a walk gets units fixed + k*grain and on. The
   * number of tries in a walk is known, so the counter needs no setting back.
   */
  #takeRest(): void {
    const g = this.#g
    const { code } = this.#encoder
    const [take, inside, done] = [code.label(), code.label(), code.label()]
    g.arithmeticMemoryImmediate32('cmp', memoryAt(r14, launchEntry.takes), 0)
    g.jumpIf('equal', done)
    code.bind(take)
    g.moveImmediate(rax, 1)
    g.exchangeAdd32(rax, memoryAt(r14, launchEntry.tries))
    g.load32(rcx, memoryAt(r12, control.walks))
    g.load32(rdx, memoryAt(r14, launchEntry.triesPerWalk))
    g.multiply(rcx, rdx)
    g.arithmetic('sub', rax, rcx)
    g.shiftLeft(rax, 32)
    g.shiftRight(rax, 32)
    g.compare32(rax, memoryAt(r14, launchEntry.takes))
    g.jumpIf('notBelow', done)
    g.load(rcx, memoryAt(r14, launchEntry.grain))
    g.multiply(rax, rcx)
    g.move(rdi, rax)
    g.arithmeticMemory('add', rdi, memoryAt(r14, launchEntry.fixed))
    g.move(rsi, rdi)
    g.arithmetic('add', rsi, rcx)
    g.arithmeticMemory('cmp', rsi, memoryAt(r14, launchEntry.units))
    g.jumpIf('notGreater', inside)
    g.load(rsi, memoryAt(r14, launchEntry.units))
    code.bind(inside)
    this.#callKernel()
    g.jump(take)
    code.bind(done)
  }

  /** rdi = floor(t*fixed/n), rsi = floor((t+1)*fixed/n), and compares them. */
  #share(): void {
    const g = this.#g
    g.load(r8, memoryAt(r14, launchEntry.fixed))
    g.load(r9, memoryAt(rbx, threadBlock.index))
    g.load(r10, memoryAt(r12, control.threads))
    for (const target of [rdi, rsi]) {
      g.move(rax, r8)
      g.multiplyWide(r9)
      g.divideWide(r10)
      g.move(target, rax)
      if (target === rdi) g.arithmeticImmediate('add', r9, 1)
    }
    g.arithmetic('cmp', rdi, rsi)
  }

  #stamp(skip: Label): void {
    const g = this.#g
    g.test(rbp, rbp)
    g.jumpIf('equal', skip)
    g.loadFence()
    g.readTimeStamp()
    g.shiftLeft(rdx, 32)
    g.arithmetic('or', rax, rdx)
    g.store(rax, memoryAt(rbp))
    g.arithmeticImmediate('add', rbp, 8)
    this.#encoder.code.bind(skip)
  }

  /** The last thread to arrive sets the counter back, then opens the next generation, for which the others wait. */
  #waitForAll(): void {
    const g = this.#g
    const { code } = this.#encoder
    const [pass, wait] = [code.label(), code.label()]
    code.bind(this.#barrier)
    g.arithmeticMemoryImmediate32('cmp', memoryAt(r12, control.threads), 1)
    g.jumpIf('equal', pass)
    g.load32(r8, memoryAt(r12, control.generation))
    g.moveImmediate(rax, 1)
    g.exchangeAdd32(rax, memoryAt(r12, control.arrived))
    g.arithmeticImmediate('add', rax, 1)
    g.arithmeticMemory('cmp', rax, memoryAt(r12, control.threads))
    g.jumpIf('notEqual', wait)
    g.moveImmediate(rax, 0)
    g.store32(rax, memoryAt(r12, control.arrived))
    g.increment32(memoryAt(r12, control.generation))
    g.arithmeticMemoryImmediate32('cmp', memoryAt(r12, control.sleepers), 0)
    g.jumpIf('equal', pass)
    this.#wakeAll(control.generation)
    g.return()
    code.bind(wait)
    this.#waitForChange(control.generation, control.sleepers, control.barrierSpins, r8, pass)
    code.bind(pass)
    g.return()
  }

  /**
   * Jumps to `changed` once the word differs from `seen`; spins first, then sleeps. A waker changes the word and then
   * looks for sleepers; a sleeper counts itself and then lets the system look at the word once more: one of the two
   * sees the other.
   */
  #waitForChange(word: number, sleepers: number, spins: number, seen: number, changed: Label): void {
    const g = this.#g
    const { code } = this.#encoder
    const [look, sleep] = [code.label(), code.label()]
    g.load32(rcx, memoryAt(r12, spins))
    code.bind(look)
    g.compare32(seen, memoryAt(r12, word))
    g.jumpIf('notEqual', changed)
    g.test(rcx, rcx)
    g.jumpIf('equal', sleep)
    g.pause()
    g.arithmeticImmediate('sub', rcx, 1)
    g.jump(look)
    code.bind(sleep)
    g.increment32(memoryAt(r12, sleepers))
    g.move(rdx, seen)
    this.#futex(word, futexWait)
    g.decrement32(memoryAt(r12, sleepers))
    g.compare32(seen, memoryAt(r12, word))
    g.jumpIf('equal', sleep)
    g.jump(changed)
  }

  #wakeAll(word: number): void {
    this.#g.moveImmediate(rdx, everyone)
    this.#futex(word, futexWake)
  }

  /** The system call changes rax, rcx and r11 only. */
  #futex(word: number, operation: number): void {
    const g = this.#g
    g.address(rdi, memoryAt(r12, word))
    g.moveImmediate(rsi, operation)
    g.moveImmediate(r10, 0)
    g.moveImmediate(rax, futex)
    g.syscall()
  }
}
