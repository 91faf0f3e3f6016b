/** Where tracing is: a dotted path such as `block.0.attention`, recorded on every node made meanwhile. */

let path = ''

export function currentScope(): string {
  return path
}

/** Runs `body`; the nodes that it makes get `name` appended to their scope. Scopes nest. */
export function scope<T>(name: string, body: () => T): T {
  return atScope(path === '' ? name : `${path}.${name}`, body)
}

/** Runs `body` in the given absolute scope, whatever the current one is. */
export function atScope<T>(absolute: string, body: () => T): T {
  const outer = path
  path = absolute
  try {
    return body()
  } finally {
    path = outer
  }
}

/** The scope of gradients; that of a node's gradient is `gradient.<scope of the node>`. */
export const GRADIENT_SCOPE = 'gradient'

/** Whether a scope is one that differentiation traces in: that of the backward pass. */
export function isGradientScope(scope: string): boolean {
  return scope === GRADIENT_SCOPE || scope.startsWith(`${GRADIENT_SCOPE}.`)
}
