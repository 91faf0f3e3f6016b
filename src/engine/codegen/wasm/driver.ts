/** The functions that every thread runs a step with: the driver, which walks the launch table, and the barrier. */
import { Code, type Label, type Local, type WasmType } from './code.ts'
import { control, launchRecord, launchRecordBytes } from './control.ts'

/** thread, address of the launch table, number of launches, this thread's scratch, address for clock readings or 0 */
export const driverParameters: readonly WasmType[] = ['i32', 'i32', 'i32', 'i32', 'i32']

/** What the driver calls, by index. */
export interface DriverLinks {
  /** () -> f64, milliseconds. */
  readonly clock: number
  readonly barrier: number
  readonly kernelType: number
}

/**
 * Rounds of watching before a thread goes to sleep, some 20 microseconds: longer than a balanced launch makes the others
 * wait, shorter than it takes to sleep and wake up.
 */
const SPINS = 10_000

const EVERYONE = -1
const WITHOUT_LIMIT = -1

/**
 * Waits until all threads have arrived. The last one starts the next generation; the others watch for it, then sleep.
 * Traps where a thread has failed, for it will never arrive.
 */
export function emitBarrier(threads: number): readonly number[] {
  const code = new Code([])
  if (threads === 1) return code.finish()
  const generation = code.local('i32')
  code.i32(control.generation).access('i32.atomic.load').set(generation)
  trapIfFailed(code)
  code.i32(control.arrived).i32(1).access('i32.atomic.rmw.add')
  code.i32(threads - 1).op('i32.eq')
  code.if(
    () => letGo(code),
    () => code.block((released) => watchThenSleep(code, generation, released)),
  )
  trapIfFailed(code)
  return code.finish()
}

function trapIfFailed(code: Code): void {
  code.i32(control.failed).access('i32.atomic.load')
  code.if(() => code.op('unreachable'))
}

/** The last thread's part. Whoever counts itself as a sleeper after we have looked sees the new generation and stays awake. */
function letGo(code: Code): void {
  code.i32(control.arrived).i32(0).access('i32.atomic.store')
  code.i32(control.generation).i32(1).access('i32.atomic.rmw.add').op('drop')
  code.i32(control.sleepers).access('i32.atomic.load')
  code.if(() => {
    code.i32(control.generation).i32(EVERYONE).access('memory.atomic.notify').op('drop')
  })
}

function watchThenSleep(code: Code, generation: Local, released: Label): void {
  const spins = code.local('i32')
  const leaveIfReleased = (): void => {
    code.i32(control.generation).access('i32.atomic.load').get(generation).op('i32.ne').branchIf(released)
  }
  code.i32(SPINS).set(spins)
  code.loop((again) => {
    leaveIfReleased()
    code.get(spins).i32(1).op('i32.sub').tee(spins).branchIf(again)
  })
  code.i32(control.sleepers).i32(1).access('i32.atomic.rmw.add').op('drop')
  code.loop((again) => {
    code.i32(control.generation).get(generation).i64(WITHOUT_LIMIT).access('memory.atomic.wait32').op('drop')
    code.i32(control.generation).access('i32.atomic.load').get(generation).op('i32.eq').branchIf(again)
  })
  code.i32(control.sleepers).i32(-1).access('i32.atomic.rmw.add').op('drop')
}

/**
 * Runs the launches of the table, meeting the other threads where a launch says so and at the end.
 *
 * With an address for clock readings, threads meet before every launch and thread 0 writes the time (f64, milliseconds)
 * at each of these points and at the end: launches + 1 readings.
 */
export function emitDriver(threads: number, links: DriverLinks): readonly number[] {
  const code = new Code(driverParameters)
  const [thread, record, launches, scratch, clocks] = code.parameters as [Local, Local, Local, Local, Local]
  const launch = code.local('i32')
  code.block((done) => {
    code.loop((next) => {
      code.get(launch).get(launches).op('i32.ge_s').branchIf(done)
      code.get(thread).i32(2).op('i32.shl').get(launch).access('i32.store', control.launch)
      code.get(record).access('i32.load', launchRecord.barrier).get(clocks).op('i32.or')
      code.if(() => code.call(links.barrier))
      readClock(code, thread, clocks, links)
      callKernel(code, thread, record, scratch, links)
      code.get(record).i32(launchRecordBytes(threads)).op('i32.add').set(record)
      code.get(launch).i32(1).op('i32.add').set(launch)
      code.branch(next)
    })
  })
  code.call(links.barrier)
  readClock(code, thread, clocks, links)
  return code.finish()
}

/** Thread 0 writes the time, where times are wanted. */
function readClock(code: Code, thread: Local, clocks: Local, links: DriverLinks): void {
  code.get(thread).op('i32.eqz').i32(0).get(clocks).op('select')
  code.if(() => {
    code.get(clocks).call(links.clock).access('f64.store')
    code.get(clocks).i32(8).op('i32.add').set(clocks)
  })
}

/** Calls the record's kernel with this thread's share of the units, if it has any. */
function callKernel(code: Code, thread: Local, record: Local, scratch: Local, links: DriverLinks): void {
  const [begin, end] = [code.local('i32'), code.local('i32')]
  const bounds = code.local('i32')
  code.get(record).get(thread).i32(2).op('i32.shl').op('i32.add').set(bounds)
  code.get(bounds).access('i32.load', launchRecord.bounds).set(begin)
  code
    .get(bounds)
    .access('i32.load', launchRecord.bounds + 4)
    .set(end)
  code.get(begin).get(end).op('i32.lt_s')
  code.if(() => {
    code.get(begin).get(end).get(record).access('i32.load', launchRecord.arguments).get(scratch)
    code.get(record).access('i32.load', launchRecord.kernel).callIndirect(links.kernelType)
  })
}
