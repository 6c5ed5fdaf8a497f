/** Paths between two latents. */

/** "linear" is a straight line. "spherical" is an arc, which keeps the length that is typical of the prior's latents. */
export const METHODS = ["linear", "spherical"] as const;
export type Method = (typeof METHODS)[number];

/**
 * Interpolates between two latents of L values: steps * L values, with `a` first and `b` last.
 *
 * Spherical: (sin((1-t) w) a + sin(t w) b) / sin w with w the angle between a and b (Shoemake, "Animating rotation with
 * quaternion curves", 1985). If the angle is 0 or 180 degrees, the arc is undefined and the path is linear.
 */
export function interpolateLatents(a: Float32Array, b: Float32Array, steps: number, method: Method): Float32Array {
  const angle = method === "spherical" ? angleBetween(a, b) : 0;
  const arc = Math.sin(angle) > 1e-6;
  const latents = new Float32Array(steps * a.length);
  for (let step = 0; step < steps; step++) {
    const t = step / (steps - 1);
    const left = arc ? Math.sin((1 - t) * angle) / Math.sin(angle) : 1 - t;
    const right = arc ? Math.sin(t * angle) / Math.sin(angle) : t;
    for (let i = 0; i < a.length; i++) latents[step * a.length + i] = left * a[i] + right * b[i];
  }
  return latents;
}

function angleBetween(a: Float32Array, b: Float32Array): number {
  const lengths = Math.sqrt(dot(a, a)) * Math.sqrt(dot(b, b));
  return lengths > 0 ? Math.acos(Math.min(Math.max(dot(a, b) / lengths, -1), 1)) : 0;
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}
