-- Every trained model: how long, how far, on how many.
select ablation, model_kind, fold, n_folds, array_to_string(classes, ' ') as classes, n_training, n_synthetic, n_validation,
    best_epoch, len(history_validation_loss) as n_epochs, round(seconds, 1) as seconds, device, is_bit_exact, trained_at
from results.fold_models
order by ablation, model_kind, fold;
