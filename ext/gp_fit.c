/* MAP fit of the hyperparameters: projected BFGS in log space, a few starts, nothing but C inside.
 *
 * A component at a bound whose gradient points outwards is held; the others move along -H g. Backtracking with
 * quadratic interpolation needs about 1.2 evaluations a step here, a Wolfe search measured no better.
 *
 * A start that is alone comes from an earlier fit, so it is near its optimum: curvature there is four times that on the
 * way from the prior (measured: 9 to 11 evaluations instead of 14 on scattered points, and less is left undone by 15
 * evaluations on those of a search), and what the last hundredth of a nat would change is no proposal.
 */
#include "_gp.h"
#include "_gpmath.h"

static double projected(int p, const double *x, const double *g, const double *lower, const double *upper)
{
    double largest = 0.0;
    for (int k = 0; k < p; k++) {
        double step = x[k] - g[k];
        step = step < lower[k] ? lower[k] : step > upper[k] ? upper[k] : step;
        step = fabs(step - x[k]);
        largest = step > largest ? step : largest;
    }
    return largest;
}

static void reset(int p, double *h, const gp_problem *problem, int is_near)
{
    for (int i = 0; i < p * p; i++)
        h[i] = 0.0;
    for (int k = 0; k < p; k++) { /* curvature of the prior plus what n points add */
        double sd = problem->prior_sd[k];
        double each = is_near && k < problem->d ? 0.2 : 0.05;
        h[k * p + k] = 1.0 / (1.0 / (sd * sd) + each * problem->n);
    }
}

/* One start. x holds the start and receives the end. */
static double descend(const gp_problem *problem, double *x, int is_near, int most, double tolerance, double *work,
                      int *evaluations)
{
    int p = problem->d + 2;
    const double *lower = problem->lower, *upper = problem->upper;
    double *h = work, *g = h + p * p, *direction = g + p, *trial = direction + p, *g_new = trial + p, *s = g_new + p,
           *yv = s + p, *hy = yv + p;
    double mu;
    for (int k = 0; k < p; k++)
        x[k] = x[k] < lower[k] ? lower[k] : x[k] > upper[k] ? upper[k] : x[k];
    double f = gp_nll(problem, x, &mu, g);
    int used = 1;
    if (!isfinite(f)) { /* not positive definite: raise the noise once */
        x[p - 1] = log(1e-2) > upper[p - 1] ? upper[p - 1] : log(1e-2);
        f = gp_nll(problem, x, &mu, g);
        used++;
    }
    reset(p, h, problem, is_near);
    int fresh = 1;
    while (isfinite(f) && used < most && projected(p, x, g, lower, upper) > tolerance) {
        double slope = 0.0, longest = 0.0;
        for (int i = 0; i < p; i++) {
            int held = (x[i] <= lower[i] && g[i] > 0.0) || (x[i] >= upper[i] && g[i] < 0.0);
            double sum = 0.0;
            for (int j = 0; j < p && !held; j++) {
                int other = (x[j] <= lower[j] && g[j] > 0.0) || (x[j] >= upper[j] && g[j] < 0.0);
                if (!other)
                    sum -= h[i * p + j] * g[j];
            }
            direction[i] = sum;
            slope += sum * g[i];
            longest = fabs(sum) > longest ? fabs(sum) : longest;
        }
        if (!(slope < 0.0)) {
            if (fresh)
                break;
            reset(p, h, problem, is_near);
            fresh = 1;
            continue;
        }
        double step = longest > 2.0 ? 2.0 / longest : 1.0; /* at most a factor e^2 in any hyperparameter */
        double f_new = INFINITY, moved = 0.0;
        int accepted = 0;
        for (int tries = 0; tries < 8 && used < most; tries++) {
            moved = 0.0;
            for (int k = 0; k < p; k++) {
                double to = x[k] + step * direction[k];
                trial[k] = to < lower[k] ? lower[k] : to > upper[k] ? upper[k] : to;
                moved += g[k] * (trial[k] - x[k]);
            }
            f_new = gp_nll(problem, trial, &mu, g_new);
            used++;
            if (f_new <= f + 1e-4 * moved) {
                accepted = 1;
                break;
            }
            double fraction = isfinite(f_new) ? -0.5 * moved / (f_new - f - moved) : 0.1;
            step *= fraction < 0.1 ? 0.1 : fraction > 0.5 ? 0.5 : fraction;
        }
        if (!accepted) {
            if (fresh)
                break;
            reset(p, h, problem, is_near);
            fresh = 1;
            continue;
        }
        double sy = 0.0, yy = 0.0, yhy = 0.0;
        for (int k = 0; k < p; k++) {
            s[k] = trial[k] - x[k];
            yv[k] = g_new[k] - g[k];
            sy += s[k] * yv[k];
            yy += yv[k] * yv[k];
        }
        double gain = f - f_new;
        for (int k = 0; k < p; k++) {
            x[k] = trial[k];
            g[k] = g_new[k];
        }
        f = f_new;
        if (sy > 1e-10 * yy) {
            for (int i = 0; i < p; i++) {
                double sum = 0.0;
                for (int j = 0; j < p; j++)
                    sum += h[i * p + j] * yv[j];
                hy[i] = sum;
                yhy += yv[i] * sum;
            }
            double a = (1.0 + yhy / sy) / sy, b = 1.0 / sy;
            for (int i = 0; i < p; i++)
                for (int j = 0; j < p; j++)
                    h[i * p + j] += a * s[i] * s[j] - b * (hy[i] * s[j] + s[i] * hy[j]);
            fresh = 0;
        }
        if (gain < (is_near ? 0.01 : 1e-7 * (1.0 + fabs(f))))
            break;
    }
    *evaluations += used;
    return f;
}

int gp_fit(const gp_problem *problem, double *theta, int starts, int most, double tolerance, double *work, double *nll)
{
    int p = problem->d + 2, evaluations = 0, winner = -1;
    double best = INFINITY;
    for (int i = 0; i < starts; i++) {
        double value = descend(problem, theta + (long)i * p, starts == 1, most, tolerance, work, &evaluations);
        if (value < best) {
            best = value;
            winner = i;
        }
    }
    if (winner > 0)
        for (int k = 0; k < p; k++)
            theta[k] = theta[(long)winner * p + k];
    *nll = best;
    return evaluations;
}
