/** Ways between two latents. */

/** Straight, or along the arc, which keeps the length that latents of the prior have. */
export const METHODS = ["linear", "spherical"] as const;
export type Method = (typeof METHODS)[number];

/**
 * Latents from `a` to `b`, both of L values and included: steps * L values.
 *
 * Spherical: (sin((1-t) w) a + sin(t w) b) / sin w with w the angle between a and b (Shoemake, "Animating rotation with
 * quaternion curves", 1985); linear where the angle is 0 or half a turn, where it is not defined.
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
